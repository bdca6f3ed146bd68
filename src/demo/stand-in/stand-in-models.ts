import type { WireName } from './stand-in-request.js';

/** A model of the stand-in, with what the servers say of a model. */
export interface StandInModel {
  readonly name: string;
  /**
   * In Ollama's words; the types of the other servers follow from them. Default: `completion`; `embedding`
   * for a name like `text-embedding-…`.
   */
  readonly capabilities?: readonly string[];
  /** Where it really runs: a cloud model of Ollama has this. */
  readonly remoteHost?: string;
  /**
   * Whether `ollama create` made it of an encoder's weights: the list says that it completes, and says no
   * context.
   */
  readonly isMadeHere?: boolean;
  /** The longest context it takes, in tokens. Default: DEFAULT_CONTEXT_LENGTH. */
  readonly contextLength?: number;
  /** The context that it is loaded with at the start, in tokens. Default: it is not loaded. */
  readonly loadedContext?: number;
}

/** The longest context of llama3.2, in tokens. */
export const DEFAULT_CONTEXT_LENGTH = 131_072;

/**
 * The context that Ollama gives a model where none is asked for, on a PC with little video memory. Tokens.
 */
export const DEFAULT_LOADED_CONTEXT = 4096;

/** A model was loaded, or loaded again with another context. */
export interface ModelLoad {
  readonly model: string;
  readonly context: number;
}

/** The models of one wire, and which of them are in memory. */
export class StandInModels {
  readonly all: readonly StandInModel[];
  /** Every load so far, in order. */
  readonly loads: ModelLoad[] = [];
  readonly #contexts = new Map<string, number>();

  constructor(models: readonly (string | StandInModel)[]) {
    this.all = models.map((model) => (typeof model === 'string' ? { name: model } : model));
    for (const { name, loadedContext } of this.all) {
      if (loadedContext !== undefined) this.#contexts.set(name, loadedContext);
    }
  }

  get names(): string[] {
    return this.all.map(({ name }) => name);
  }

  /** The context that a model has in memory; null where it is not loaded. */
  contextOf(name: string): number | null {
    return this.#contexts.get(name) ?? null;
  }

  /** Loads a model with this context, again where it has another. Returns the context that it has then. */
  load(name: string, wanted: number | null): number {
    const model = this.all.find((one) => one.name === name);
    const longest = model?.contextLength ?? DEFAULT_CONTEXT_LENGTH;
    const loaded = this.contextOf(name);
    const context = Math.min(wanted ?? loaded ?? DEFAULT_LOADED_CONTEXT, longest);
    if (context !== loaded) this.loads.push({ model: name, context });
    this.#contexts.set(name, context);
    return context;
  }

  /** Drops a model from memory. */
  unload(name: string): void {
    this.#contexts.delete(name);
  }
}

/** The models on each wire. */
export type ModelsByWire = Readonly<Record<WireName, StandInModels>>;

/** What a model can do, by its capabilities or else by its name. */
export function capabilitiesOf({ name, capabilities }: StandInModel): readonly string[] {
  return capabilities ?? [name.startsWith('text-embedding-') ? 'embedding' : 'completion'];
}

/** Whether a model chats, and does not only make embeddings. */
export function canChat(model: StandInModel): boolean {
  return capabilitiesOf(model).includes('completion');
}

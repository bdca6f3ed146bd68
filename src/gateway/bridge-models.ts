import { createHash } from 'node:crypto';
import { modelList } from '../admin/list-models.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { PRESENCE_FRESH_MS } from '../protocol/presence.js';
import { ApiError } from './api-errors.js';

/** A model of a bridge, for clients to list and choose. */
export interface BridgeModel {
  /** As a call names it: as its model server spells it, or an alias. */
  readonly name: string;
  /** What it is known to be able to do: `chat`, `embed`, `tools`, `vision`. */
  readonly can: readonly string[];
  /** The agents that have it, by name. */
  readonly agents: readonly string[];
  /** When an agent said so, milliseconds since the epoch. */
  readonly saidMs: number;
  /** Until when it is believed to be in memory, milliseconds since the epoch; null where nobody says so. */
  readonly loadedUntilMs: number | null;
}

/** Other names for models: what a call may say, and the model that is asked. */
export type Aliases = ReadonlyMap<string, string>;

/** The models of all agents, of those that are away too, in the order of names. Each name comes once. */
export function bridgeModels(who: WhoWorks, nowMs: number): BridgeModel[] {
  const { rows } = modelList(who, { nowMs, takesClaims: true });
  const models = new Map<string, BridgeModel>();
  for (const { model, can, agents } of rows) {
    const before = models.get(model);
    const names = [...(before?.agents ?? []), ...agents.map(({ name }) => name)];
    const seen = agents.flatMap((one) =>
      one.loaded && one.seen_at !== null ? [Date.parse(one.seen_at)] : [],
    );
    const said = agents.flatMap(({ name, seen_at }) => {
      const at = who.models.get(name)?.at ?? seen_at;
      return at === null ? [] : [Date.parse(at)];
    });
    const loadedUntilMs = seen.length === 0 ? null : Math.max(...seen) + PRESENCE_FRESH_MS;
    models.set(model, {
      name: model,
      can: [...new Set([...(before?.can ?? []), ...can])].sort(),
      agents: [...new Set(names)].sort(),
      saidMs: Math.max(0, before?.saidMs ?? 0, ...said),
      loadedUntilMs: loadedUntilMs ?? before?.loadedUntilMs ?? null,
    });
  }
  return [...models.values()];
}

/** The models of several bridges, each once; `bridge` is put before the names of its agents. */
export function modelsOfAll(
  lists: readonly { readonly bridge: string; readonly models: readonly BridgeModel[] }[],
): BridgeModel[] {
  const models = new Map<string, BridgeModel>();
  for (const { bridge, models: list } of lists)
    for (const { name, can, agents, saidMs, loadedUntilMs } of list) {
      const before = models.get(name);
      const loaded = [before?.loadedUntilMs ?? null, loadedUntilMs].filter((one) => one !== null);
      models.set(name, {
        name,
        can: [...new Set([...(before?.can ?? []), ...can])].sort(),
        agents: [...(before?.agents ?? []), ...agents.map((agent) => `${bridge}/${agent}`)],
        saidMs: Math.max(before?.saidMs ?? 0, saidMs),
        loadedUntilMs: loaded.length === 0 ? null : Math.max(...loaded),
      });
    }
  return [...models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The same models, and after them the aliases of models that are among them. */
export function withAliases(models: readonly BridgeModel[], aliases: Aliases): BridgeModel[] {
  const others = [...aliases].flatMap(([name, target]) => {
    const model = models.some((one) => one.name === name) ? undefined : findModel(models, target);
    return model === undefined ? [] : [{ ...model, name }];
  });
  return [...models, ...others];
}

/** The model of this name; a name without a tag also finds the one with `:latest`, as Ollama has it. */
export function findModel(models: readonly BridgeModel[], name: string): BridgeModel | undefined {
  return models.find((one) => one.name === name) ?? models.find((one) => one.name === `${name}:latest`);
}

/** The model that a call names. Throws ApiError: 400 where it names none, 404 for one that nobody has. */
export function requireModel(models: readonly BridgeModel[], name: unknown): BridgeModel {
  if (typeof name !== 'string' || name === '')
    throw new ApiError('model is missing', { status: 400, param: 'model' });
  const model = findModel(models, name);
  if (model !== undefined) return model;
  const said = JSON.stringify(name.slice(0, 200));
  throw new ApiError(`model ${said} not found: no agent has said that it has it`, {
    status: 404,
    code: 'model_not_found',
    param: 'model',
  });
}

/**
 * A model in the form of `/api/tags`, which says what a model can do since Ollama 0.30. Nobody says its size
 * or its layers here: the size is 0, and the digest, which clients show and compare, is that of its name.
 */
export function tagOf({ name, can, saidMs }: BridgeModel): Record<string, unknown> {
  return {
    name,
    model: name,
    modified_at: new Date(saidMs).toISOString(),
    size: 0,
    digest: createHash('sha256').update(`llm-bridge model ${name}`).digest('hex'),
    details: NO_DETAILS,
    ...(can.length === 0 ? {} : { capabilities: capabilitiesOf(can) }),
  };
}

const NO_DETAILS = {
  parent_model: '',
  format: '',
  family: '',
  families: null,
  parameter_size: '',
  quantization_level: '',
};

/** A model in memory in the form of `/api/ps`. */
export function runningOf(model: BridgeModel, untilMs: number): Record<string, unknown> {
  const { modified_at: _, capabilities: __, ...tag } = tagOf(model);
  return { ...tag, expires_at: new Date(untilMs).toISOString(), size_vram: 0 };
}

/** Ollama's words for what a model can do, where they are not ours. */
const CAPABILITIES: Readonly<Record<string, string>> = { chat: 'completion', embed: 'embedding' };

function capabilitiesOf(can: BridgeModel['can']): string[] {
  return can.map((word) => CAPABILITIES[word] ?? word);
}

/** A model in the form of `/api/show`: what agents say of it, and the rest empty. */
export function shownOf({ can, saidMs }: BridgeModel): Record<string, unknown> {
  return {
    license: '',
    modelfile: '',
    parameters: '',
    template: '',
    details: NO_DETAILS,
    model_info: {},
    capabilities: capabilitiesOf(can),
    modified_at: new Date(saidMs).toISOString(),
  };
}

/** A model in the form of `/v1/models`; it is owned by the agents that have it. */
export function v1ModelOf({ name, agents, saidMs }: BridgeModel): Record<string, unknown> {
  return { id: name, object: 'model', created: Math.floor(saidMs / 1000), owned_by: agents.join(',') };
}

/** The same for a client that says `anthropic-version`. */
export function messagesModelOf({ name, saidMs }: BridgeModel): Record<string, unknown> {
  return { type: 'model', id: name, display_name: name, created_at: new Date(saidMs).toISOString() };
}

import type { AnswerErrorCode, Usage } from '../../protocol/answer.js';
import type { Ability } from '../../protocol/models.js';
import type { RequestPath } from '../../protocol/request.js';
import type { ChatMessage, TaskFormat, TaskOptions } from '../../protocol/task.js';
import type { BackendMemory } from './backend-memory.js';
import type { FailureKind } from './failure-rules.js';
import type { Lookups } from './foresight.js';

/** One generation, not yet in the words of any backend. */
export interface GenerateRequest {
  readonly model: string;
  /** Whether an answer from another model is the failure `wrong_model`: the task named the model. */
  readonly strictModel: boolean;
  /** System message first, where there is one. */
  readonly messages: readonly ChatMessage[];
  /**
   * Decoded images, to go with the last user message. Bytes, never strings: a client may take a string for a
   * path.
   */
  readonly images: readonly Uint8Array[];
  readonly options: TaskOptions;
  readonly format: TaskFormat | undefined;
  /**
   * The most that is wanted of an answer, thinking included, in bytes of UTF-8. What is read of a stream is
   * bounded by it.
   */
  readonly maxAnswerBytes: number;
}

/** What a model said. `answer` is not blank: an empty answer is thrown as BackendError `empty_answer`. */
export interface Generation {
  readonly answer: string;
  /** The model that answered, in the backend's own spelling. */
  readonly model: string;
  readonly thinking?: string;
  /**
   * As the backend says it: `stop`, `length`, …; `repetition` where the model repeated itself without end
   * and was stopped.
   */
  readonly finishReason?: string;
  readonly usage?: Usage;
}

/** A call of an API, judged: only what may go to a model server is in its body. */
export interface ApiCall {
  readonly path: RequestPath;
  /** The model that is to answer, as the caller spells it, or as the agent chose it. */
  readonly model: string;
  /**
   * Whether an answer from another model is the failure `wrong_model`: true where the call named the model.
   */
  readonly strictModel: boolean;
  /** What is sent, without `model` and what the backend adds for its context. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Whether events are asked for, and come where the server can. */
  readonly isStreamed: boolean;
  /** Whether somebody reads the events while they come. A second start would take back what was read. */
  readonly isHeard: boolean;
  /** The most bytes that are wanted of a response. What is read is bounded by it. */
  readonly maxAnswerBytes: number;
}

/** Takes the response to a call, as it comes. */
export interface CallReader {
  /** The server begins its response. Whatever came before is void. */
  begins(): void;
  /** The server has answered something else. */
  alive(): void;
  /** Takes an event: an SSE block without its blank line, or an NDJSON line. True: end it here. */
  event(raw: string, value: unknown): boolean;
  /** Takes the whole of a response that came without events. */
  body(body: Readonly<Record<string, unknown>>): void;
  /** Whether nothing is missing of what came so far. */
  isWhole(): boolean;
  /** Called at the end, or where `event` ended it: returns what is known of the answer. */
  end(): CallEnd;
}

/** How a response ended. */
export interface CallEnd {
  readonly usage: Usage | undefined;
  readonly finishReason: string | undefined;
}

/**
 * A sign of life of a generation. `begins`: the model starts; what an earlier start of the same generation
 * brought no longer counts. `piece`: text of the answer, of the thinking that the server tells apart, or of
 * both. `event`: an event of a call that is passed on, with as many bytes as it adds to the answer beside
 * the text in it. `alive`: the server has answered something else.
 */
export type GenerationSign =
  | { readonly type: 'begins' }
  | { readonly type: 'piece'; readonly content: string; readonly thinking: string }
  | { readonly type: 'event'; readonly event: string; readonly bytes: number }
  | { readonly type: 'alive' };

/** Called at every sign of life of a generation. */
export type OnToken = (sign: GenerationSign) => void;

/** A model as its server lists it. */
export interface ListedModel {
  /** As the server spells it. */
  readonly name: string;
  /** Whether it holds a conversation: false for one that only makes embeddings. True where nobody says. */
  readonly canChat: boolean;
  /** What its server says that it can do; empty where nobody says. In the order of the alphabet. */
  readonly can: readonly Ability[];
  /** It runs elsewhere: what it is asked leaves this machine. */
  readonly isCloud: boolean;
  /** It is in memory: an answer starts at once, and no other model has to make room. */
  readonly isLoaded: boolean;
}

/** What a backend is opened with besides its address. */
export interface BackendSettings {
  /** Sent as `Authorization: Bearer`. It is in no message. Default: none. */
  readonly token?: string | undefined;
  /**
   * Whether a model that runs elsewhere may be asked by its name. Default: false, and it is the error
   * `cloud_model`.
   */
  readonly allowCloud?: boolean | undefined;
  /** The longest context that a model is asked to have, in tokens. Default: DEFAULT_MAX_CONTEXT. */
  readonly maxContext?: number | undefined;
  /** What is remembered between tasks. Default: nothing. */
  readonly memory?: BackendMemory | undefined;
  /**
   * How the server is asked what it has. Default: through `memory.foresight`, which may have asked already.
   */
  readonly lookups?: Lookups | undefined;
  /** Told what a person may want to know, in one line: never a prompt, never an answer. */
  readonly log?: ((text: string) => void) | undefined;
}

/**
 * Default of the longest context: 32,768 tokens, some 100 kB of text. With a model of 8 billion parameters
 * it takes 4 GB of memory beside the model.
 */
export const DEFAULT_MAX_CONTEXT = 32_768;

/**
 * A model server. Both calls throw BackendError for what went wrong there, and the signal's reason once it
 * is aborted.
 */
export interface Backend {
  readonly name: string;
  /** The base address, for messages. */
  readonly url: string;
  /** What to do where no model is installed: the `try:` of `no_model`. */
  readonly noModelRemedy: string;
  /** What to do where the server refuses us: the `try:` of `backend_unauthorized`. */
  readonly unauthorizedRemedy: string;
  /** Its models, in the server's order. */
  listModels(signal: AbortSignal): Promise<ListedModel[]>;
  /**
   * The longest context that this model gets for one task, in tokens; null where the server does not say.
   * Left out where no server of this kind does.
   */
  longestContext?(model: string, signal: AbortSignal): Promise<number | null>;
  /**
   * Asks a model. Throws `cloud_model` for one that runs elsewhere, unless the agent has `--allow-cloud`,
   * and `model_cannot_chat` for one that only makes embeddings, whoever chose it. The prompt is not sent
   * then.
   */
  generate(request: GenerateRequest, signal: AbortSignal, onToken: OnToken): Promise<Generation>;
  /**
   * Passes a call on, of one of the paths that its description names. The model is looked up first: for one
   * that the server does not list (`model_not_found`), or that runs elsewhere (`cloud_model`), nothing is
   * sent. Throws an error of the kind `elsewhere` where the server does not know the path after all.
   */
  call(call: ApiCall, signal: AbortSignal, reader: CallReader): Promise<CallEnd>;
}

/**
 * What a model server, or the way to it, failed with. `code` is the error code of the answer that will say
 * so; `backend_unreachable` promises that no request reached the server, so another one may be asked.
 */
export class BackendError extends Error {
  override readonly name = 'BackendError';

  /** Whether the same may be asked again, and how. */
  readonly kind: FailureKind;
  /** How long the server asks to be left alone before that, in milliseconds; null where it does not. */
  readonly retryAfterMs: number | null;
  /** What the model said that is no answer. */
  readonly said: Pick<Generation, 'thinking' | 'finishReason'>;

  constructor(
    readonly code: AnswerErrorCode,
    message: string,
    options: ErrorOptions & Partial<Pick<BackendError, 'kind' | 'retryAfterMs' | 'said'>> = {},
  ) {
    super(message, options);
    this.kind = options.kind ?? 'final';
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.said = options.said ?? {};
  }
}

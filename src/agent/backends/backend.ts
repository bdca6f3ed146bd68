import type { AnswerErrorCode, Usage } from '../../protocol/answer.js';
import type { ChatMessage, TaskFormat, TaskOptions } from '../../protocol/task.js';
import type { FailureKind } from './failure-rules.js';

/** One generation, in no backend's own words yet. */
export interface GenerateRequest {
  readonly model: string;
  /**
   * Whether an answer from another model than `model` is a failure, `wrong_model`: so where the task named
   * the model.
   */
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
   * As the backend says it: `stop`, `length`, …; `repetition` where the model repeated itself without end and
   * was stopped.
   */
  readonly finishReason?: string;
  readonly usage?: Usage;
}

/** Called at every sign of life of a generation, a thinking token included, with the text that came. */
export type OnToken = (text: string) => void;

/**
 * A model server. Both calls throw BackendError for what went wrong there, and the signal's reason once it is
 * aborted.
 */
export interface Backend {
  readonly name: string;
  /** The base address, for messages. */
  readonly url: string;
  /** What to do where no model is installed: the `try:` of `no_model`. */
  readonly noModelRemedy: string;
  /** The names of the models that can be asked, in the server's order. */
  listModels(signal: AbortSignal): Promise<string[]>;
  generate(request: GenerateRequest, signal: AbortSignal, onToken: OnToken): Promise<Generation>;
}

/**
 * What a model server, or the way to it, failed with. `code` is the error code of the answer that will say
 * so; `backend_unreachable` promises that no request reached the server, so another one may be asked instead.
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

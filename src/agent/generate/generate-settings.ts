import type { BackendName } from '../../protocol/names.js';

/**
 * Default of the idle deadline: 20 minutes without a token. A large model loaded from a slow disk, or a long prompt on a
 * CPU, may take 10 before its first one.
 */
export const DEFAULT_IDLE_TIMEOUT_MS = 20 * 60_000;

/** Default of the total deadline: 6 hours; at two tokens a second that is a book of 40,000 tokens. */
export const DEFAULT_TOTAL_TIMEOUT_MS = 6 * 3_600_000;

/** Default of the time in which an unreachable model server may come up: 5 minutes, a PC's restart with its updates. */
export const DEFAULT_RETRY_WINDOW_MS = 5 * 60_000;

/** Both backends, in the order `auto` tries them. */
export const DEFAULT_BACKEND_ORDER: readonly BackendName[] = ['ollama', 'lmstudio'];

/** How an agent generates, whatever the task. */
export interface GenerateSettings {
  /** The backends to try, the preferred one first; at least one. A task that names its backend gets that one alone. */
  readonly order: readonly BackendName[];
  /** As `parseOllamaUrl` takes it. */
  readonly ollamaUrl: string;
  /** As `parseLmstudioUrl` takes it. */
  readonly lmstudioUrl: string;
  /** The model for tasks that name none, meant for the first of `order`. Default: the first the backend lists. */
  readonly model?: string;
  /** The longest silence of a model. */
  readonly idleTimeoutMs: number;
  /** The longest time for one task in all, where the task has no `timeout_s`. */
  readonly totalTimeoutMs: number;
  /** How long unreachable backends are tried again; 0 is once. */
  readonly retryWindowMs: number;
  /** The shortest wait between two tries; it doubles, with jitter, up to 15 times this. Default 1000. */
  readonly retryDelayMs?: number;
  /**
   * The most that is taken of one answer, thinking included, in bytes of UTF-8. A model that runs on past it is stopped.
   * Default: DEFAULT_MAX_ANSWER_BYTES.
   */
  readonly maxAnswerBytes?: number;
  /** Told what a person may want to know, in one line: never a prompt, never an answer. */
  readonly log?: (text: string) => void;
}

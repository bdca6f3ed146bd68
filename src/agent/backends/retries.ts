import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration, MAX_TIMER_MS } from '../../protocol/duration.js';
import type { GenerateSettings } from '../agent-options.js';
import { BackendError } from './backend.js';

/** The shortest wait between two tries, in milliseconds, where the settings say none. */
const DEFAULT_RETRY_DELAY_MS = 1000;

/**
 * How far the wait between two tries grows, as a multiple of the first. A person who starts a model server
 * waits for the answer, and a try where nobody listens costs nothing; a busy server has enough to do.
 */
const MAX_AWAY_FACTOR = 4;
const MAX_BUSY_FACTOR = 15;

/** How often a task is generated at most: a prompt that crashes a server would crash it each time. */
const MAX_GENERATIONS = 3;

type RetrySettings = Pick<GenerateSettings, 'retryWindowMs' | 'retryDelayMs' | 'log' | 'onPhase'>;

/**
 * What passes: no request reached a server (`away`), it is `busy` and began nothing, or it broke in the
 * middle of its answer (`lost`). `failure-rules.ts` has which failures are which.
 */
type Passing = 'away' | 'busy' | 'lost';

/** What follows a failure that passes. */
interface Sequel {
  /**
   * Each wait is about twice as long as the one before, up to this many times the first, all within one
   * retry window. Null: it is tried again at once, and the server may be away for a whole window each time.
   */
  readonly backsOff: number | null;
  /** How often it may happen. */
  readonly times: number;
  /** Failures whose count starts again, because the server was there after all. */
  readonly forgets: readonly Passing[];
  /** Said in front of the length of the window: once where it backs off, else each time. */
  readonly note: string;
  /** Makes the message of the error when there is no further try. */
  readonly end: (message: string, window: string) => string;
}

const SEQUELS: Readonly<Record<Passing, Sequel>> = {
  away: {
    backsOff: MAX_AWAY_FACTOR,
    times: Number.POSITIVE_INFINITY,
    forgets: [],
    note: 'trying again for',
    end: (message) => message,
  },
  busy: {
    backsOff: MAX_BUSY_FACTOR,
    times: Number.POSITIVE_INFINITY,
    forgets: ['away'],
    note: 'asking again for',
    end: (message, window) => `${message}, for ${window}`,
  },
  lost: {
    backsOff: null,
    times: MAX_GENERATIONS,
    forgets: ['away', 'busy'],
    note: 'it gets the task again, for',
    end: (message) => `${message}, ${MAX_GENERATIONS} times`,
  },
};

/** The failures of one task so far. Decides what follows each of them. */
export class Retries {
  readonly #settings: RetrySettings;
  readonly #signal: AbortSignal;
  /** `endMs`: the end of the retry window, by a clock that never jumps. */
  readonly #series = new Map<Passing, { tries: number; endMs: number; last: BackendError }>();

  constructor(settings: RetrySettings, signal: AbortSignal) {
    this.#settings = settings;
    this.#signal = signal;
  }

  /**
   * Waits until the backends of a round may be asked again, which failed with these, by SEQUELS. Throws what
   * the task failed with where there is no further try: `model_not_found` or `backend_unreachable` name each
   * server. Where a deadline ends the wait, that is the failure before it; any other reason of the signal is
   * thrown as it is.
   */
  async after(failed: readonly BackendError[]): Promise<void> {
    const { retryWindowMs, log, onPhase } = this.#settings;
    const error = summaryOf(failed);
    const passing = passingOf(error);
    if (passing === null || retryWindowMs <= 0) throw this.#inFull(error);
    const { backsOff, times, forgets, note, end } = SEQUELS[passing];
    for (const kind of forgets) this.#series.delete(kind);
    const nowMs = performance.now();
    const { tries = 0, endMs = 0 } = this.#series.get(passing) ?? {};
    const isNew = tries === 0 || backsOff === null;
    const series = { tries: tries + 1, endMs: isNew ? nowMs + retryWindowMs : endMs, last: error };
    this.#series.set(passing, series);
    onPhase?.('waiting');
    const leftMs = series.endMs - nowMs;
    const window = formatDuration(retryWindowMs);
    if (series.tries >= times || leftMs <= 0) {
      throw this.#inFull(new BackendError(error.code, end(error.message, window), { cause: error }));
    }
    if (isNew) log?.(`${error.message}; ${note} ${window}`);
    const delayMs = Math.max(this.#backoffMs(series.tries, backsOff ?? 0), error.retryAfterMs ?? 0);
    if (delayMs > 0) await this.#pause(Math.min(delayMs, leftMs), error);
  }

  /** The wait behind this try, the first being 1, with jitter; at most `longest` times the first. */
  #backoffMs(tries: number, longest: number): number {
    const minMs = this.#settings.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS;
    return Math.min(minMs * (1 + Math.random()) * 2 ** (tries - 1), minMs * longest);
  }

  async #pause(ms: number, error: BackendError): Promise<void> {
    try {
      await sleep(Math.min(ms, MAX_TIMER_MS), undefined, { signal: this.#signal });
    } catch {
      const { reason } = this.#signal;
      throw reason instanceof BackendError && reason.code === 'timeout' ? this.#inFull(error) : reason;
    }
  }

  /**
   * The whole story in one error: a server that broke and then stayed away, or one that was busy before the
   * deadline passed.
   */
  #inFull(error: BackendError): BackendError {
    const [lost, busy] = [this.#series.get('lost')?.last, this.#series.get('busy')?.last];
    if (lost !== undefined && passingOf(error) === 'away') {
      const text = `${lost.message}; then ${error.message}`;
      return new BackendError('backend_error', text, { cause: lost });
    }
    if (busy === undefined || error.code !== 'timeout') return error;
    return new BackendError('timeout', `${error.message}; before that ${busy.message}`, { cause: error });
  }
}

/** True for a failure that gave the server no task: no request reached it, or it lacks model or path. */
export function reachedNothing({ code, kind }: BackendError): boolean {
  return code === 'backend_unreachable' || kind === 'elsewhere';
}

function passingOf({ code, kind }: BackendError): Passing | null {
  if (code === 'backend_unreachable') return 'away';
  return kind === 'busy' || kind === 'lost' ? kind : null;
}

/** What a round failed with: the last where that server was given the task; else all of them. */
function summaryOf(failed: readonly BackendError[]): BackendError {
  const last = failed.at(-1);
  if (last !== undefined && !reachedNothing(last)) return last;
  const isMissing = failed.some(({ code }) => code === 'model_not_found');
  const isAway = failed.some(({ kind }) => kind !== 'elsewhere');
  const code = isMissing ? 'model_not_found' : isAway ? 'backend_unreachable' : 'request_refused';
  return new BackendError(code, messagesOf(failed));
}

/** The failures of one round, in one line. */
export function messagesOf(failed: readonly BackendError[]): string {
  return failed.map(({ message }) => message).join('; ');
}

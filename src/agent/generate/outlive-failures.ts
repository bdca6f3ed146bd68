import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../../protocol/duration.js';
import type { GenerateSettings } from '../agent-options.js';
import { type Backend, BackendError } from '../backends/backend.js';
import { isUnreachable, reachBackend, retryDelayMs } from './reach-backend.js';

/** So often a task is generated at most: a prompt that crashes a server would crash it each time. */
const MAX_GENERATIONS = 3;

/** The longest delay a timer takes, in milliseconds: 24.8 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

type RetrySettings = Pick<GenerateSettings, 'retryWindowMs' | 'retryDelayMs' | 'log' | 'onPhase'>;

/**
 * As reachBackend, and where that server fails in a way that passes (`failure-rules.ts` has which do), it
 * gets the task again, from the beginning and with its model chosen again:
 * - where it broke in the middle of its answer (it crashed, it was restarted): at once, MAX_GENERATIONS times
 *   in all; `retryWindowMs` is how long it may stay away, each time;
 * - where it is busy: ever less often, until `retryWindowMs` is over, at whose end it is asked for the last
 *   time.
 *
 * Not before it asks to be asked (`Retry-After`), but never past that window.
 *
 * No other server is asked instead: what runs here was chosen, and a restart takes seconds. Throws what it
 * failed with last; also where a deadline ended the waiting.
 */
export async function outliveFailures<T>(
  backends: readonly Backend[],
  settings: RetrySettings,
  signal: AbortSignal,
  attempt: (backend: Backend) => Promise<T>,
): Promise<T> {
  let candidates = backends;
  let lost: BackendError | null = null;
  let busy: BackendError | null = null;
  let wait: BusyWait | null = null;
  for (let generations = 1; ; ) {
    try {
      return await reachBackend(candidates, settings, signal, async (backend) => {
        candidates = [backend];
        return await attempt(backend);
      });
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      if (isUnreachable(error) && lost !== null) throw stayedAway(lost, error);
      if (error.code === 'timeout' && busy !== null) throw tooLate(error, busy);
      if (error.kind === 'final' || settings.retryWindowMs <= 0) throw error;
      settings.onPhase?.('waiting');
      if (error.kind === 'busy') {
        busy = error;
        wait ??= new BusyWait(settings);
        await wait.next(error, signal);
        continue;
      }
      wait = null;
      lost = error;
      if (generations >= MAX_GENERATIONS) throw everyTime(error);
      generations += 1;
      settings.log?.(
        `${error.message}; it gets the task again, for ${formatDuration(settings.retryWindowMs)}`,
      );
      if (error.retryAfterMs !== null) {
        await pause(Math.min(error.retryAfterMs, settings.retryWindowMs), error, signal);
      }
    }
  }
}

/** The waiting for a server that is busy, from the first time that it says so. */
class BusyWait {
  readonly #settings: RetrySettings;
  readonly #endMs: number;
  #tries = 0;

  constructor(settings: RetrySettings) {
    this.#settings = settings;
    this.#endMs = performance.now() + settings.retryWindowMs;
  }

  /**
   * Waits until it may be asked again. Throws `error` once the time for that is over; and as `pause` does.
   */
  async next(error: BackendError, signal: AbortSignal): Promise<void> {
    const { retryWindowMs, log } = this.#settings;
    const leftMs = this.#endMs - performance.now();
    if (leftMs <= 0) throw stillBusy(error, retryWindowMs);
    this.#tries += 1;
    if (this.#tries === 1) log?.(`${error.message}; asking again for ${formatDuration(retryWindowMs)}`);
    const delayMs = Math.max(retryDelayMs(this.#settings, this.#tries), error.retryAfterMs ?? 0);
    await pause(Math.min(delayMs, leftMs), error, signal);
  }
}

/** Throws `error` where a deadline passes meanwhile, and the signal's reason where it is any other. */
async function pause(ms: number, error: BackendError, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.min(ms, MAX_TIMER_MS), undefined, { signal });
  } catch {
    const { reason } = signal;
    throw reason instanceof BackendError && reason.code === 'timeout' ? error : reason;
  }
}

function stillBusy(error: BackendError, windowMs: number): BackendError {
  return new BackendError(error.code, `${error.message}, for ${formatDuration(windowMs)}`, { cause: error });
}

function tooLate(timeout: BackendError, busy: BackendError): BackendError {
  return new BackendError('timeout', `${timeout.message}; before that ${busy.message}`, { cause: timeout });
}

function stayedAway(lost: BackendError, unreachable: BackendError): BackendError {
  return new BackendError('backend_error', `${lost.message}; then ${unreachable.message}`, { cause: lost });
}

function everyTime(lost: BackendError): BackendError {
  return new BackendError('backend_error', `${lost.message}, ${MAX_GENERATIONS} times`, { cause: lost });
}

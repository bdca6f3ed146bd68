import pRetry from 'p-retry';
import { formatDuration } from '../../protocol/duration.js';
import type { GenerateSettings } from '../agent-options.js';
import { type Backend, BackendError } from '../backends/backend.js';

/** How far the wait between two tries grows, as a multiple of the first. */
const MAX_DELAY_FACTOR = 15;

/**
 * Tries `attempt` with each backend in turn until one can be reached, and then ends as that attempt ends:
 * only `backend_unreachable`, which promises that no request arrived, moves on to the next. Where none can be
 * reached, all are tried again, ever less often, until `retryWindowMs` is over; then throws
 * `backend_unreachable` naming each. Throws the signal's reason once it is aborted, but `backend_unreachable`
 * where a deadline ended the waiting for a server.
 */
export async function reachBackend<T>(
  backends: readonly Backend[],
  settings: Pick<GenerateSettings, 'retryWindowMs' | 'retryDelayMs' | 'log'>,
  signal: AbortSignal,
  attempt: (backend: Backend) => Promise<T>,
): Promise<T> {
  const minDelayMs = settings.retryDelayMs ?? 1000;
  let waitingAfter: BackendError | null = null;
  const round = async (): Promise<T> => {
    waitingAfter = null;
    return await tryEach(backends, settings, attempt);
  };
  try {
    return await pRetry(round, {
      retries: Number.POSITIVE_INFINITY,
      maxRetryTime: settings.retryWindowMs,
      minTimeout: minDelayMs,
      maxTimeout: minDelayMs * MAX_DELAY_FACTOR,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => isUnreachable(error),
      onFailedAttempt({ error, attemptNumber }) {
        if (!isUnreachable(error)) return;
        waitingAfter = error;
        if (attemptNumber > 1 || settings.retryWindowMs <= 0) return;
        settings.log?.(`${error.message}; trying again for ${formatDuration(settings.retryWindowMs)}`);
      },
    });
  } catch (error) {
    throw error instanceof BackendError && error.code === 'timeout' && waitingAfter !== null
      ? waitingAfter
      : error;
  }
}

async function tryEach<T>(
  backends: readonly Backend[],
  settings: Pick<GenerateSettings, 'log'>,
  attempt: (backend: Backend) => Promise<T>,
): Promise<T> {
  const failures: BackendError[] = [];
  for (const backend of backends) {
    try {
      const result = await attempt(backend);
      if (failures.length > 0)
        settings.log?.(`${failures.map((one) => one.message).join('; ')}; ${backend.name} answered`);
      return result;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      failures.push(error);
    }
  }
  throw new BackendError('backend_unreachable', failures.map((failure) => failure.message).join('; '));
}

function isUnreachable(error: unknown): error is BackendError {
  return error instanceof BackendError && error.code === 'backend_unreachable';
}

/** So often a task is generated at most: a prompt that crashes a server would crash it each time. */
const MAX_GENERATIONS = 3;

/**
 * As reachBackend, and where a server goes away in the middle of its answer (it crashed, it was restarted),
 * that server gets the task again, from the beginning and with its model chosen anew; `retryWindowMs` is how
 * long it may stay away, each time. No other server is asked instead: what runs here was chosen, and a
 * restart takes seconds. After MAX_GENERATIONS, or where it stays away, throws what it was lost with.
 */
export async function outliveLoss<T>(
  backends: readonly Backend[],
  settings: Pick<GenerateSettings, 'retryWindowMs' | 'retryDelayMs' | 'log'>,
  signal: AbortSignal,
  attempt: (backend: Backend) => Promise<T>,
): Promise<T> {
  let candidates = backends;
  let lost: BackendError | null = null;
  for (let generations = 1; ; generations++) {
    try {
      return await reachBackend(candidates, settings, signal, async (backend) => {
        candidates = [backend];
        return await attempt(backend);
      });
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      if (error.code === 'backend_unreachable' && lost !== null) throw stayedAway(lost, error);
      if (!error.isLost) throw error;
      lost = error;
      if (settings.retryWindowMs <= 0) throw error;
      if (generations >= MAX_GENERATIONS) throw everyTime(error);
      settings.log?.(
        `${error.message}; it gets the task again, for ${formatDuration(settings.retryWindowMs)}`,
      );
    }
  }
}

function stayedAway(lost: BackendError, unreachable: BackendError): BackendError {
  return new BackendError('backend_error', `${lost.message}; then ${unreachable.message}`, { cause: lost });
}

function everyTime(lost: BackendError): BackendError {
  return new BackendError('backend_error', `${lost.message}, ${MAX_GENERATIONS} times`, { cause: lost });
}

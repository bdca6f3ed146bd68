import pRetry from 'p-retry';
import { formatDuration } from '../../protocol/duration.js';
import type { GenerateSettings } from '../agent-options.js';
import { type Backend, BackendError } from '../backends/backend.js';
import { MissingModel } from './choose-model.js';

/** The shortest wait between two tries, in milliseconds, where the settings say none. */
const DEFAULT_RETRY_DELAY_MS = 1000;

/** How far the wait between two tries grows, as a multiple of the first. */
const MAX_DELAY_FACTOR = 15;

/**
 * Tries `attempt` with each backend in turn until one can be reached, and then ends as that attempt ends:
 * only `backend_unreachable`, which promises that no request arrived, and MissingModel move on to the next.
 * Where none has the model, throws `model_not_found` naming each. Where none can be reached, all are tried
 * again, ever less often, until `retryWindowMs` is over; then throws `backend_unreachable` naming each.
 * Throws the signal's reason once it is aborted, but `backend_unreachable` where a deadline ended the waiting
 * for a server.
 */
export async function reachBackend<T>(
  backends: readonly Backend[],
  settings: Pick<GenerateSettings, 'retryWindowMs' | 'retryDelayMs' | 'log' | 'onPhase'>,
  signal: AbortSignal,
  attempt: (backend: Backend) => Promise<T>,
): Promise<T> {
  const minDelayMs = settings.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS;
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
        settings.onPhase?.('waiting');
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
      if (!isUnreachable(error) && !(error instanceof MissingModel)) throw error;
      failures.push(error);
    }
  }
  const isMissing = failures.some((failure) => failure instanceof MissingModel);
  const code = isMissing ? 'model_not_found' : 'backend_unreachable';
  throw new BackendError(code, failures.map((failure) => failure.message).join('; '));
}

/** The wait behind this try, the first being 1, in milliseconds: as long as pRetry waits above. */
export function retryDelayMs(settings: Pick<GenerateSettings, 'retryDelayMs'>, tries: number): number {
  const minDelayMs = settings.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS;
  return Math.min(minDelayMs * (1 + Math.random()) * 2 ** (tries - 1), minDelayMs * MAX_DELAY_FACTOR);
}

/** True for a server that no request reached. */
export function isUnreachable(error: unknown): error is BackendError {
  return error instanceof BackendError && error.code === 'backend_unreachable';
}

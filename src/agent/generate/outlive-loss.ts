import { formatDuration } from '../../protocol/duration.js';
import { type Backend, BackendError } from '../backends/backend.js';
import { reachBackend } from './reach-backend.js';
import type { GenerateSettings } from './generate-settings.js';

/** So often a task is generated at most: a prompt that makes a server crash each time would keep it crashing. */
const MAX_GENERATIONS = 3;

/**
 * As reachBackend, and where a server goes away in the middle of its answer (it crashed, it was restarted), that server gets the task
 * again, from the beginning and with its model chosen anew; `retryWindowMs` is how long it may stay away, each time. No other
 * server is asked instead: what runs here was chosen, and a restart takes seconds. After MAX_GENERATIONS, or where it stays away, throws
 * what it was lost with.
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

import { untilAborted } from '../../bridge/notifier.js';
import type { CancelledTask } from '../../protocol/queue.js';

/** Whether a task that is being answered was cancelled meanwhile. */
export interface Cancellation {
  /** Aborts when it is. */
  readonly signal: AbortSignal;
  /** The cancel; null as long as there is none. */
  cancelled(): CancelledTask | null;
  /** The first one stays. */
  cancel(cancel: CancelledTask): void;
}

/** Makes one of a task that was not cancelled. */
export function openCancellation(): Cancellation {
  const stop = new AbortController();
  let first: CancelledTask | null = null;
  return {
    signal: stop.signal,
    cancelled: () => first,
    cancel(cancel) {
      first ??= cancel;
      stop.abort(new Error('the task was cancelled'));
    },
  };
}

/**
 * What `generate` makes, or, where the task is cancelled before that is done, what `instead` makes of the cancel. `generate` is not even begun
 * where that is so from the start, and not waited for once it is: it may itself be waiting for an equal task.
 */
export async function unlessCancelled<T>(
  generate: () => Promise<T>,
  cancellation: Cancellation,
  instead: (cancel: CancelledTask) => Promise<T>,
): Promise<T> {
  if (cancellation.cancelled() === null) {
    try {
      return await untilAborted(generate(), cancellation.signal);
    } catch (error) {
      if (cancellation.cancelled() === null) throw error;
    }
  }
  const cancel = cancellation.cancelled();
  if (cancel === null) throw new Error('a task is stopped for a cancel that there is not');
  return instead(cancel);
}

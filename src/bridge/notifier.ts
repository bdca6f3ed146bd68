import { MAX_TIMER_MS } from '../protocol/duration.js';

/** Many can ring it and one waits for it. A ring while nobody waits is kept for the next wait. */
export interface Notifier {
  ring(): void;
  /**
   * `rung`, or `timeout` after `maxMs` (at once where that is negative) or when the signal aborts (it does
   * not throw then).
   */
  wait(maxMs: number, signal?: AbortSignal): Promise<'rung' | 'timeout'>;
}

/** Makes a notifier. */
export function createNotifier(): Notifier {
  let rung = false;
  let wake: (() => void) | null = null;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(maxMs, signal) {
      if (!rung && signal?.aborted !== true) {
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', done);
            wake = null;
            resolve();
          };
          // Node 24 warns of a negative time, on the terminal of whoever asks.
          const timer = setTimeout(done, Math.min(Math.max(maxMs, 0), MAX_TIMER_MS));
          wake = done;
          signal?.addEventListener('abort', done, { once: true });
        });
      }
      const outcome = rung ? 'rung' : 'timeout';
      rung = false;
      return outcome;
    },
  };
}

/**
 * Waits for a promise that others wait for as well, and stops waiting with the signal's reason once it
 * aborts.
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let stop = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

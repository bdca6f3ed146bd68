import { createNotifier, type Notifier } from '../bridge/notifier.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import type { AgentLog } from './agent-options.js';

/** Waits between tries: at first a second, then twice as long each time, at most a minute; with jitter. */
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;

/** With `--once` somebody waits for the end: three tries, then it is an error. */
const ONCE_RETRIES = 2;

/** How a step outlasts its failures. */
export interface OutlastOptions {
  readonly log: AgentLog;
  readonly signal: AbortSignal;
  /** Give up after a few tries. */
  readonly once: boolean;
  /** Which failures pass by themselves. Default: those that say so (`BridgeError.retryable`). */
  readonly passes?: (error: unknown) => boolean;
  /** A ring of it (the server is back) ends the wait for the next try, and the waits start short again. */
  readonly hurry?: Notifier;
}

/**
 * Does a step again until it works, with backoff and jitter. Says once that it fails and once that it works
 * again, not every time. Throws what does not pass by itself, and the signal's reason once it aborts, unless
 * the step has worked by then.
 */
export async function outlast<T>(step: () => Promise<T>, options: OutlastOptions): Promise<T> {
  const { signal, log, hurry = createNotifier() } = options;
  const passes = options.passes ?? ((error) => error instanceof BridgeError && error.retryable);
  let failingSinceMs: number | null = null;
  let delayMs = FIRST_DELAY_MS;
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    // Drops a ring from before this try, which says nothing about the next.
    await hurry.wait(0);
    try {
      const value = await step();
      if (failingSinceMs !== null) {
        log('info', `works again, after ${formatDuration(performance.now() - failingSinceMs)}`, {
          event: 'recovered',
          after_ms: Math.round(performance.now() - failingSinceMs),
        });
      }
      return value;
    } catch (error) {
      // An abort is the end of the step, not a failure of it.
      signal.throwIfAborted();
      if (!passes(error) || (options.once && tries > ONCE_RETRIES)) throw error;
      if (failingSinceMs === null) {
        failingSinceMs = performance.now();
        log('warn', `${errorText(error)}; trying again until it works`, {
          event: 'retrying',
          code: error instanceof BridgeError ? error.code : null,
        });
      }
    }
    const isHurried = (await hurry.wait(delayMs * (0.75 + Math.random() / 2), signal)) === 'rung';
    delayMs = isHurried ? FIRST_DELAY_MS : Math.min(delayMs * 2, MAX_DELAY_MS);
  }
}

import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { type Bell, createBell } from '../remote/bell.js';
import type { AgentLog } from './agent-options.js';

/** Waits between tries: at first a second, then twice as long each time, at most a minute; up to half of it is taken off by chance. */
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
  /** Rung where the next try may well work, so that nobody waits out a long backoff after a short outage. */
  readonly hurry?: Bell;
}

/**
 * Does a step again until it works, with backoff and jitter. Says once that it fails and once that it works again, not every time.
 * Throws what does not pass by itself, and the signal's reason once it aborts, unless the step has worked by then.
 */
export async function outlast<T>(step: () => Promise<T>, options: OutlastOptions): Promise<T> {
  const { log, signal, once, hurry = createBell() } = options;
  const passes = options.passes ?? ((error) => error instanceof BridgeError && error.retryable);
  let failingSinceMs: number | null = null;
  for (let failures = 0; ; failures += 1) {
    signal.throwIfAborted();
    try {
      const value = await step();
      if (failingSinceMs !== null)
        log('info', `works again, after ${formatDuration(performance.now() - failingSinceMs)}`);
      return value;
    } catch (error) {
      // An abort is the end of the step, not a failure of it.
      signal.throwIfAborted();
      if (!passes(error) || (once && failures >= ONCE_RETRIES)) throw error;
      if (failingSinceMs === null) {
        failingSinceMs = performance.now();
        log('warn', `${error instanceof Error ? error.message : String(error)}; trying again until it works`);
      }
    }
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS);
    await hurry.wait(delayMs * (0.5 + Math.random() / 2), signal);
  }
}

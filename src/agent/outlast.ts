import pRetry from 'p-retry';
import { BridgeError } from '../protocol/bridge-error.js';
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
}

/**
 * Does a step again until it works, with backoff and jitter. Says once that it fails and once that it works again, not every time.
 * Throws what does not pass by itself, and the signal's reason once it aborts, unless the step has worked by then.
 */
export async function outlast<T>(step: () => Promise<T>, options: OutlastOptions): Promise<T> {
  const passes = options.passes ?? ((error) => error instanceof BridgeError && error.retryable);
  let failingSinceMs: number | null = null;
  let done = null as { readonly value: T } | null;
  const attempt = async () => {
    done = { value: await step() };
  };
  await pRetry(attempt, {
    retries: options.once ? ONCE_RETRIES : Number.POSITIVE_INFINITY,
    minTimeout: FIRST_DELAY_MS,
    maxTimeout: MAX_DELAY_MS,
    randomize: true,
    signal: options.signal,
    shouldRetry: ({ error }) => passes(error),
    onFailedAttempt({ error, retriesLeft }) {
      // An abort is the end of the step, not a failure of it.
      if (options.signal.aborted) return;
      if (failingSinceMs !== null || !passes(error) || retriesLeft === 0) return;
      failingSinceMs = performance.now();
      options.log('warn', `${error.message}; trying again until it works`);
    },
  }).catch((error: unknown) => {
    if (done === null) throw error;
  });
  if (failingSinceMs !== null) {
    options.log('info', `works again, after ${formatDuration(performance.now() - failingSinceMs)}`);
  }
  return (done as { readonly value: T }).value;
}

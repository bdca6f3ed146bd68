import { formatDuration, MAX_TIMER_MS } from '../protocol/duration.js';
import { BackendError } from './backends/backend.js';

/** The times within which a generation has to show life and to end, in milliseconds. */
export interface DeadlineTimes {
  /** The longest silence, the one before the first token included. */
  readonly idleMs: number;
  /** The longest time in all, from the start of the deadlines on. */
  readonly totalMs: number;
}

/**
 * Running deadlines. `signal` aborts with BackendError `timeout` once one has passed, or with the outer
 * signal.
 */
export interface Deadlines {
  readonly signal: AbortSignal;
  /** Runs one exchange with a model server under the idle deadline. */
  watch<T>(exchange: () => Promise<T>): Promise<T>;
  /** Says that a token came: the idle deadline starts again. */
  alive(): void;
  /** Aborts the signal with another reason. */
  fail(reason: Error): void;
  /** Stops the clocks. Has to be called, or the timers keep the process. */
  stop(): void;
}

/** Starts the total deadline; the idle one runs inside `watch` only. Both end with `signal`. */
export function startDeadlines(times: DeadlineTimes, signal: AbortSignal): Deadlines {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  // Not AbortSignal.any: its signal would stay tied to one that lives as long as the agent.
  signal.addEventListener('abort', follow, { once: true });
  if (signal.aborted) follow();
  const total = startTimer(times.totalMs, () => {
    controller.abort(timeout(`no complete answer within ${formatDuration(times.totalMs)} (total deadline)`));
  });
  let idle: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    async watch(exchange) {
      idle = startTimer(times.idleMs, () => {
        controller.abort(timeout(`no token for ${formatDuration(times.idleMs)} (idle deadline)`));
      });
      try {
        return await exchange();
      } finally {
        clearTimeout(idle);
        idle = undefined;
      }
    },
    alive: () => void idle?.refresh(),
    fail: (reason) => controller.abort(reason),
    stop() {
      clearTimeout(total);
      clearTimeout(idle);
      signal.removeEventListener('abort', follow);
    },
  };
}

function startTimer(ms: number, onEnd: () => void): NodeJS.Timeout {
  return setTimeout(onEnd, Math.min(ms, MAX_TIMER_MS));
}

function timeout(message: string): BackendError {
  return new BackendError('timeout', message);
}

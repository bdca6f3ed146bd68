/** So far the clock may drift from a running timer before it counts as set; milliseconds. Answers may be minutes off. */
const MAX_DRIFT_MS = 5_000;

/**
 * Notices that this machine's clock was set, or that the machine slept. The server's time goes on without it (`stopwatch.ts`), but a person is to
 * know how far the clock is off now, and a sleep is long enough for more to have changed on the server.
 */
export interface ClockWatch {
  /** Whether it jumped since the last call, or since the start. */
  jumped(): boolean;
}

/** Starts watching. `wallMs` is the clock that may be set, `timerMs` one that only runs; milliseconds. */
export function watchClock(
  wallMs: () => number = Date.now,
  timerMs: () => number = () => performance.now(),
): ClockWatch {
  let offset = wallMs() - timerMs();
  return {
    jumped() {
      const now = wallMs() - timerMs();
      const isFar = Math.abs(now - offset) > MAX_DRIFT_MS;
      if (isFar) offset = now;
      return isFar;
    },
  };
}

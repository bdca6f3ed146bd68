import os from 'node:os';

/**
 * A shorter sleep cannot be seen, because some systems count their uptime in whole seconds. Milliseconds.
 */
const SHORTEST_SLEEP_MS = 2_000;

/**
 * Starts a stopwatch; the function it returns gives the milliseconds since. Nobody can set it, as a clock
 * can be set, and it goes on while the machine sleeps. `timerMs` only runs forward, and on Linux stands
 * still in a sleep; `uptimeMs` goes on in it, and may be coarse.
 */
export function startStopwatch(
  timerMs: () => number = () => performance.now(),
  uptimeMs: () => number = () => os.uptime() * 1000,
): () => number {
  const startedMs = timerMs();
  const aheadMs = uptimeMs() - startedMs;
  return () => {
    const ranMs = timerMs() - startedMs;
    const sleptMs = uptimeMs() - timerMs() - aheadMs;
    return sleptMs > SHORTEST_SLEEP_MS ? ranMs + sleptMs : ranMs;
  };
}

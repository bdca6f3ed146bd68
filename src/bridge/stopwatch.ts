import os from 'node:os';

/** A sleep that is shorter is not told from the whole seconds in which some systems count their uptime. Milliseconds. */
const SHORTEST_SLEEP_MS = 2_000;

/**
 * Starts a stopwatch: it tells the milliseconds since. Nobody can set it, as a clock can be set, and it goes on while the machine sleeps. `timerMs`
 * only runs, and on Linux stands still in a sleep; `uptimeMs` goes on in it, and may be coarse.
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

import { afterEach, expect, test, vi } from 'vitest';
import { startStopwatch } from '../../../src/bridge/stopwatch.js';

afterEach(() => {
  vi.useRealTimers();
});

/**
 * A machine that runs, and sleeps: its timer stands still in a sleep, its uptime does not, and counts in
 * steps of `stepMs`.
 */
function machine(stepMs: number) {
  let ranMs = 500;
  let sleptMs = 70_000;
  return {
    run: (ms: number) => {
      ranMs += ms;
    },
    sleep: (ms: number) => {
      sleptMs += ms;
    },
    timerMs: () => ranMs,
    uptimeMs: () => Math.floor((ranMs + sleptMs) / stepMs) * stepMs,
  };
}

test.each([10, 1_000])('a sleep counts like any other time, on an uptime in steps of %d ms', (stepMs) => {
  const { run, sleep, timerMs, uptimeMs } = machine(stepMs);
  const elapsedMs = startStopwatch(timerMs, uptimeMs);
  run(1_234);
  expect(elapsedMs()).toBe(1_234);
  sleep(8 * 3_600_000);
  run(66);
  expect(Math.abs(elapsedMs() - 8 * 3_600_000 - 1_300)).toBeLessThanOrEqual(stepMs);
  sleep(60_000);
  expect(Math.abs(elapsedMs() - 8 * 3_600_000 - 61_300)).toBeLessThanOrEqual(stepMs);
});

test('an uptime in whole seconds does not make the milliseconds of a waking machine jump', () => {
  const { run, timerMs, uptimeMs } = machine(1_000);
  const elapsedMs = startStopwatch(timerMs, uptimeMs);
  for (let ms = 1; ms <= 5_000; ms++) {
    run(1);
    expect(elapsedMs()).toBe(ms);
  }
});

test('setting the clock of this machine does nothing to it', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const elapsedMs = startStopwatch();
  vi.setSystemTime(Date.now() + 30 * 86_400_000);
  expect(elapsedMs()).toBeLessThan(10_000);
  vi.setSystemTime(Date.now() - 60 * 86_400_000);
  expect(elapsedMs()).toBeGreaterThanOrEqual(0);
});

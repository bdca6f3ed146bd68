import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { timesOf } from '../../../src/agent/create-agent.js';
import { startDeadlines } from '../../../src/agent/deadlines.js';
import { OPTIONS } from '../../../src/cli/options.js';

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true }),
  );
}

test('the idle deadline runs inside of watch only', async () => {
  const deadlines = startDeadlines({ idleMs: 30, totalMs: 60_000 }, new AbortController().signal);
  await deadlines.watch(async () => {});
  await delay(90);
  expect(deadlines.signal.aborted).toBe(false);
  const reason = deadlines.watch(() => aborted(deadlines.signal));
  expect(await reason).toMatchObject({ code: 'timeout', message: 'no token for 30 ms (idle deadline)' });
  deadlines.stop();
});

test('every token starts the idle deadline again', async () => {
  const deadlines = startDeadlines({ idleMs: 200, totalMs: 60_000 }, new AbortController().signal);
  await deadlines.watch(async () => {
    for (let token = 0; token < 8; token++) {
      await delay(50);
      deadlines.alive();
    }
  });
  expect(deadlines.signal.aborted).toBe(false);
  deadlines.stop();
});

test('the total deadline runs from the start', async () => {
  const deadlines = startDeadlines({ idleMs: 60_000, totalMs: 30 }, new AbortController().signal);
  expect(await aborted(deadlines.signal)).toMatchObject({
    code: 'timeout',
    message: 'no complete answer within 30 ms (total deadline)',
  });
  deadlines.stop();
});

test('an abort from outside is passed on with its reason, and stopping leaves nothing behind', () => {
  const outer = new AbortController();
  const running = startDeadlines({ idleMs: 60_000, totalMs: 60_000 }, outer.signal);
  const stopped = startDeadlines({ idleMs: 60_000, totalMs: 60_000 }, outer.signal);
  stopped.stop();
  outer.abort('stop now');
  expect(running.signal.reason).toBe('stop now');
  expect(stopped.signal.aborted).toBe(false);
  running.stop();
  expect(getEventListeners(outer.signal, 'abort')).toEqual([]);
});

test('a deadline longer than a timer can count does not end at once', async () => {
  const deadlines = startDeadlines({ idleMs: 2 ** 40, totalMs: 2 ** 40 }, new AbortController().signal);
  await deadlines.watch(() => delay(20));
  expect(deadlines.signal.aborted).toBe(false);
  deadlines.stop();
});

test('a generation has half an hour where nobody says another time, and its help says so', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const { idleTimeoutMs: idleMs, totalTimeoutMs: totalMs } = timesOf({});
    const deadlines = startDeadlines({ idleMs, totalMs }, new AbortController().signal);
    vi.advanceTimersByTime(30 * 60_000 - 1);
    expect(deadlines.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(deadlines.signal.reason).toMatchObject({
      code: 'timeout',
      message: 'no complete answer within 30 min (total deadline)',
    });
    deadlines.stop();
  } finally {
    vi.useRealTimers();
  }
  expect(OPTIONS.totalTimeout.byDefault).toBe('1800');
  expect(timesOf({ totalTimeoutMs: 6 * 3_600_000 }).totalTimeoutMs).toBe(6 * 3_600_000);
});

import { expect, test } from 'vitest';
import { type IdleStep, IdleWatch } from '../../../src/agent/idle-watch.js';

const AFTER_MS = 600_000;

/** An agent that takes turns, a minute apart unless said otherwise. */
function openTurns() {
  let timerMs = 1000;
  let sleptMs = 0;
  const idle = new IdleWatch(AFTER_MS, { timerMs: () => timerMs, uptimeMs: () => timerMs + sleptMs });
  return {
    idle,
    turn(isBusy = false, laterMs = 60_000): IdleStep {
      timerMs += laterMs;
      return idle.turn(isBusy);
    },
    /** The machine sleeps: its timer stands still. */
    sleeps(ms: number): void {
      sleptMs += ms;
    },
  };
}

/** The steps of this many turns of a minute. */
function steps(turns: ReturnType<typeof openTurns>, count: number): IdleStep[] {
  return Array.from({ length: count }, () => turns.turn());
}

const QUIET: IdleStep[] = Array.from({ length: 9 }, () => null);

test('the command is run after the time without work, when the server was asked once more', () => {
  const turns = openTurns();
  expect(steps(turns, 10)).toEqual([...QUIET, 'ask']);
  expect(turns.turn(false, 10)).toBe('run');
});

test('what comes with that last look keeps the PC awake, and the time starts again', () => {
  const turns = openTurns();
  steps(turns, 10);
  expect(turns.turn(true, 10)).toBeNull();
  expect(steps(turns, 10)).toEqual([...QUIET, 'ask']);
});

test('work at any time starts the time again', () => {
  const turns = openTurns();
  steps(turns, 9);
  expect(turns.turn(true)).toBeNull();
  expect(steps(turns, 9)).toEqual(QUIET);
});

test('a PC that stays awake is told again after the same time', () => {
  const turns = openTurns();
  steps(turns, 10);
  expect(turns.turn(false, 10)).toBe('run');
  turns.idle.restart();
  expect(steps(turns, 10)).toEqual([...QUIET, 'ask']);
});

test('a PC that has just woken is not sent to sleep again: it was woken for something', () => {
  const turns = openTurns();
  steps(turns, 9);
  turns.sleeps(3_600_000);
  expect(turns.turn()).toBeNull();
  expect(steps(turns, 9)).toEqual(QUIET);
});

test('nor is one whose timer ran on in its sleep, or that could not reach the server for long', () => {
  const turns = openTurns();
  steps(turns, 9);
  expect(turns.turn(false, 3_600_000)).toBeNull();
  expect(steps(turns, 9)).toEqual(QUIET);
});

test.each([2, 15, 20, 60, 3600])(
  'polls that grow from %d s to ten times that do not count as sleep',
  (pollS) => {
    const turns = openTurns();
    let waitedMs = 0;
    for (let nth = 1; ; nth += 1) {
      const plannedMs = turns.idle.planWait(1.25 * pollS * 1000 * Math.min(2 ** nth, 10));
      waitedMs += plannedMs;
      // A turn takes a while where the server is far away.
      if (turns.turn(false, plannedMs + 500) === 'ask') break;
      expect(nth).toBeLessThan(100);
    }
    expect(waitedMs).toBeLessThanOrEqual(AFTER_MS);
    expect(turns.turn(false, 500)).toBe('run');
  },
);

test('a turn that comes long after its wait was over follows a sleep', () => {
  const turns = openTurns();
  expect(turns.idle.planWait(250_000)).toBe(250_000);
  expect(turns.turn(false, 250_000 + 181_000)).toBeNull();
  expect(steps(turns, 9)).toEqual(QUIET);
});

test('it says how long there is still to wait', () => {
  const turns = openTurns();
  turns.turn(false, 60_000);
  expect(turns.idle.dueInMs()).toBe(AFTER_MS - 60_000);
  steps(turns, 12);
  expect(turns.idle.dueInMs()).toBe(0);
});

import { expect, test } from 'vitest';
import { FIRST_AGAIN_MS, LAST_AGAIN_MS, NO_TRIES, planWake } from '../../../../src/admin/wake/wake-plan.js';

const TASK = '1'.repeat(40);
const needed = { task: TASK, waits: () => true };
const nobody = { task: null, waits: () => false };

/** The times of the tries within `untilMs`, where somebody is needed all the time. */
function triesWithin(untilMs: number, stepMs: number): number[] {
  const at: number[] = [];
  let tries = NO_TRIES;
  for (let nowMs = 0; nowMs <= untilMs; nowMs += stepMs) {
    const step = planWake(tries, needed, nowMs);
    if (step.wake) at.push(nowMs);
    tries = step.tries;
  }
  return at;
}

test('nothing is done and nothing is looked at while nobody is needed', () => {
  expect(planWake(NO_TRIES, nobody, 5)).toEqual({ wake: false, tries: NO_TRIES, againMs: null });
});

test('the first try is at once, and the waits behind it double up to a quarter of an hour', () => {
  const minutes = triesWithin(80 * 60_000, 10_000).map((ms) => ms / 60_000);
  expect(minutes).toEqual([0, 1, 3, 7, 15, 30, 45, 60, 75]);
});

test('between two tries it says when the next one is', () => {
  const { tries } = planWake(NO_TRIES, needed, 1000);
  expect(planWake(tries, needed, 1000 + FIRST_AGAIN_MS / 4)).toEqual({
    wake: false,
    tries,
    againMs: FIRST_AGAIN_MS * 0.75,
  });
  expect(LAST_AGAIN_MS).toBe(15 * 60_000);
});

test('when somebody has come and took the task, the next time starts from the first try', () => {
  const { tries } = planWake(NO_TRIES, needed, 0);
  const over = planWake(tries, nobody, 10);
  expect(planWake(over.tries, needed, 20)).toMatchObject({ wake: true, tries: { count: 1 } });
});

test('a PC that comes, leaves the task and falls asleep again is woken with the same growing waits', () => {
  const { tries } = planWake(NO_TRIES, needed, 0);
  const came = planWake(tries, { task: null, waits: (task) => task === TASK }, 10_000);
  expect(came).toMatchObject({ wake: false, againMs: null });
  expect(planWake(came.tries, needed, 20_000)).toMatchObject({ wake: false, againMs: 40_000 });
  expect(planWake(came.tries, needed, FIRST_AGAIN_MS)).toMatchObject({ wake: true, tries: { count: 2 } });
});

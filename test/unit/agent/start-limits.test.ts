import { expect, test } from 'vitest';
import type { FinishedAnswer } from '../../../src/agent/clone/finished-answers.js';
import { Job } from '../../../src/agent/job.js';
import { isFull, startLimits } from '../../../src/agent/start-limits.js';
import { MAX_BATCH, UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import type { AskedTask, CancelledTask } from '../../../src/protocol/queue.js';

const signal = new AbortController().signal;
const many = (count: number, change: (job: Job) => void = () => {}, isAhead = false) =>
  Array.from({ length: count }, () => {
    const job = new Job({} as AskedTask, signal, isAhead);
    change(job);
    return job;
  });
const ending = (count: number) => many(count, (job) => job.cancelled({} as CancelledTask));
const toKeep = (count: number) => many(count, (job) => job.generated());
const waiting = (count: number) =>
  new UnpushedAnswers(Array.from({ length: count }, (_, n) => ({ taskId: `${n}` }) as FinishedAnswer));
const limits = (jobs: readonly Job[], unpushed = waiting(0), generated = 100, isRoomShared = false) =>
  startLimits({ jobs, unpushed, generated, isRoomShared }, 8);

test('cancelled tasks leave half of what may wait for the disk to the answers of models', () => {
  expect(limits([])).toEqual({ room: 8, ahead: 24, cancelled: 16 });
  expect(limits(ending(10))).toMatchObject({ room: 8, cancelled: 6 });
  expect(limits(ending(16))).toMatchObject({ room: 8, cancelled: 0 });
  expect(limits([...ending(16), ...toKeep(16)])).toMatchObject({ room: 8, cancelled: 0 });
  expect(limits([...ending(16), ...toKeep(17)])).toEqual({ room: 0, ahead: 0, cancelled: 0 });
  // So many can be cancelled while models work on them.
  expect(limits(ending(40)).cancelled).toBe(0);
});

test('cancelled tasks leave room in the next push, also while the server is away', () => {
  const left = (count: number) => limits([], waiting(count)).cancelled;
  expect([0, MAX_BATCH, MAX_BATCH + 45, MAX_BATCH + 50, 3 * MAX_BATCH].map(left)).toEqual([16, 16, 5, 0, 0]);
  expect(limits([], waiting(3 * MAX_BATCH)).room).toBe(8);
  const unpushed = waiting(2 * MAX_BATCH);
  unpushed.pushed();
  expect(isFull({ jobs: [], unpushed })).toBe(true);
  expect(limits([], unpushed)).toEqual({ room: 0, ahead: 0, cancelled: 0 });
});

test('no more tasks are claimed ahead than the models have answered, and none where bridges share them', () => {
  expect(limits([], waiting(0), 5).ahead).toBe(5);
  expect(
    limits(
      many(3, () => {}, true),
      waiting(0),
      5,
    ).ahead,
  ).toBe(2);
  expect(
    limits(
      many(9, () => {}, true),
      waiting(0),
      5,
    ).ahead,
  ).toBe(0);
  expect(limits([], waiting(0), 100, true).ahead).toBe(0);
});

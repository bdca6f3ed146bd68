import { expect, test } from 'vitest';
import { Job } from '../../../src/agent/job.js';
import type { AskedTask, CancelledTask } from '../../../src/protocol/queue.js';

// Of a task and its cancel a job reads nothing here.
const TASK = {} as AskedTask;
const CANCEL = {} as CancelledTask;
const made = (isAhead: boolean) => new Job(TASK, new AbortController().signal, isAhead);
const stateOf = ({ isAhead, takesRoom, isToKeep }: Job) => ({ isAhead, takesRoom, isToKeep });

test('a task that is claimed ahead waits: it neither takes room at the model nor is its answer to be kept', () => {
  const job = made(true);
  expect(stateOf(job)).toEqual({ isAhead: true, takesRoom: false, isToKeep: false });
  job.entered();
  expect(stateOf(job)).toEqual({ isAhead: false, takesRoom: true, isToKeep: false });
  job.generated();
  expect(stateOf(job)).toEqual({ isAhead: false, takesRoom: false, isToKeep: true });
});

test('a task that is cancelled has left the model, or never comes to it', () => {
  for (const isAhead of [false, true]) {
    const job = made(isAhead);
    job.cancelled(CANCEL);
    expect(stateOf(job)).toEqual({ isAhead, takesRoom: false, isToKeep: true });
  }
});

test('of two cancels the first stays, and the second ends nothing anew', () => {
  const job = made(false);
  const first = { by: 'bot' } as CancelledTask;
  job.cancelled(first);
  const { reason } = job.generating;
  job.cancelled({ by: 'owner' } as CancelledTask);
  expect(job.cancel).toBe(first);
  expect(job.generating.reason).toBe(reason);
});

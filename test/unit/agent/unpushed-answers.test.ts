import { expect, test } from 'vitest';
import type { FinishedAnswer } from '../../../src/agent/clone/finished-answers.js';
import { MAX_BATCH, UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import { anAnswer } from '../../support/message-writer.js';

const finished = (taskId: string, blob = 'blob'): FinishedAnswer => ({
  taskId,
  blob,
  answer: anAnswer(taskId, 'question'),
});

test('finished answers wait in the order in which they were kept, one for each task', () => {
  const unpushed = new UnpushedAnswers([finished('earlier')]);
  unpushed.kept(finished('a'));
  unpushed.kept(finished('b'));
  const before = unpushed.all;
  unpushed.kept(finished('a', 'replaced'));
  unpushed.letGo(['earlier', 'never there']);
  expect(unpushed.all.map(({ taskId, blob }) => [taskId, blob])).toEqual([
    ['a', 'replaced'],
    ['b', 'blob'],
  ]);
  expect([unpushed.has('earlier'), unpushed.has('b'), unpushed.count]).toEqual([false, true, 2]);
  // A list that was taken stays what it was.
  expect(before.map(({ taskId }) => taskId)).toEqual(['earlier', 'a', 'b']);
});

test('the models wait for pushes only where two are due and the last one got through', () => {
  const two = Array.from({ length: 2 * MAX_BATCH }, (_, at) => finished(`task ${at}`));
  const unpushed = new UnpushedAnswers(two);
  const seen = [unpushed.isBehind];
  unpushed.pushed();
  seen.push(unpushed.isBehind);
  unpushed.letGo(['task 0']);
  seen.push(unpushed.isBehind);
  unpushed.kept(finished('another'));
  seen.push(unpushed.isBehind);
  unpushed.missed();
  seen.push(unpushed.isBehind);
  expect(seen).toEqual([false, true, false, true, false]);
});

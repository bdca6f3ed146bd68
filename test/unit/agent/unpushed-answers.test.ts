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

test('an answer that somebody waits for goes out before those of cancelled tasks, with a few of them', () => {
  const cancelled = (taskId: string): FinishedAnswer => {
    const one = finished(taskId);
    return { ...one, answer: { ...one.answer, answer: null, error: { code: 'cancelled', message: '' } } };
  };
  const unpushed = new UnpushedAnswers([]);
  const nextOf = () => unpushed.next.map(({ taskId }) => taskId.replace(/ .*/, ''));
  for (let at = 0; at < 150; at += 1) unpushed.kept(cancelled(`gone ${at}`));
  expect(nextOf()).toEqual(Array.from({ length: MAX_BATCH }, () => 'gone'));
  unpushed.kept(finished('wanted 0'));
  expect(nextOf()).toEqual(['wanted', ...Array.from({ length: 20 }, () => 'gone')]);
  // However many there are, no cancelled task waits for ever.
  for (let at = 1; at < 150; at += 1) unpushed.kept(finished(`wanted ${at}`));
  expect([nextOf().length, nextOf().lastIndexOf('wanted')]).toEqual([MAX_BATCH, MAX_BATCH - 21]);
  expect(unpushed.next.at(-20)?.taskId).toBe('gone 0');
});

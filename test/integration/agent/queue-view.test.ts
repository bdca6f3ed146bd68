import { expect, test } from 'vitest';
import { QueueView } from '../../../src/agent/queue/queue-view.js';
import { REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { listedBridge } from '../../support/listed-bridge.js';
import { anAnswer, writeMany } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';

/** More than the count from which an order is kept for a while. */
const COUNT = 2_100;
const TTL_MS = 3_600_000;

async function manyAsked() {
  const { repo, write, git } = await listedBridge();
  const root = await git(['rev-parse', 'main']);
  const ids = await writeMany(repo, root, COUNT);
  const reader = openObjectReader(repo);
  onCleanup(async () => reader.close());
  const view = new QueueView(repo, reader);
  const queue = async (tip: string, nowMs: number) => {
    await git(['update-ref', REMOTE_MAIN_REF, tip]);
    return await view.read(tip, { nowMs, taskTtlMs: TTL_MS, maxTaskBytes: 100_000 });
  };
  const read = async (tip: string, nowMs: number) => (await queue(tip, nowMs)).pending.map(({ id }) => id);
  return { ids, tip: ids.at(-1) ?? root, write, queue, read };
}

test('in a kept order of very many tasks, what was answered or ran out of time has no place any more', async () => {
  const { ids, tip, write, read } = await manyAsked();
  const nowMs = Date.now();
  expect(await read(tip, nowMs)).toEqual(ids);
  const [first = '', second = '', third = '', ...others] = ids;
  const one = await write.answer(tip, anAnswer(second, 'question 1'));
  expect(await read(one, nowMs)).toEqual([first, third, ...others]);
  // Two at once, and nothing new after that.
  const two = await write.answer(one, anAnswer(first, 'question 0'));
  const three = await write.answer(two, anAnswer(third, 'question 2'));
  expect(await read(three, nowMs)).toEqual(others);
  expect(await read(three, nowMs)).toEqual(others);
  expect(await read(three, nowMs + TTL_MS + 60_000)).toEqual([]);
});

test('a new task has its turn at once among very many, whatever else came with it', async () => {
  const { ids, tip, write, read } = await manyAsked();
  const nowMs = Date.now();
  await read(tip, nowMs);
  const [first = '', ...others] = ids;
  const answered = await write.answer(tip, anAnswer(first, 'question 0'));
  const task = await write.ask(answered, 'of somebody who asks little', { author: 'another' });
  // Source takes turns with source.
  const [before = '', ...after] = others;
  expect(await read(task, nowMs)).toEqual([before, task, ...after]);
});

test('very many tasks are gone through once as long as main stays, and none of them runs out of time', async () => {
  const { ids, tip, write, queue } = await manyAsked();
  const askedMs = (await queue(tip, Date.now())).pending[0]?.askedAtMs ?? Number.NaN;
  const lastMs = askedMs + TTL_MS;
  const whole = await queue(tip, lastMs);
  expect(whole.pending).toHaveLength(ids.length);
  expect(await queue(tip, lastMs)).toBe(whole);
  expect((await queue(tip, lastMs + 1)).pending.length).toBeLessThan(ids.length);
  const answered = await write.answer(tip, anAnswer(ids[0] ?? '', 'question 0'));
  expect((await queue(answered, askedMs)).pending).toHaveLength(ids.length - 1);
});

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { draftTask, draftTaskFile } from '../../../src/asker/task-draft.js';
import { resolveRef } from '../../../src/git/refs.js';
import { readRepairs } from '../../../src/git/repairs-log.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { taskHash } from '../../../src/protocol/task.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitWithMainLocked } from '../../support/living-git.js';
import { waitUntil } from '../../support/wait-until.js';
import { answerTask, askLocally, TTL_MS, tasksOn } from './asker-fixture.js';

const by = () => ({ name: 'bot', atMs: Date.now() });
const text = (prompt: string) => draftTaskFile('task.txt', Buffer.from(prompt));
const DEDUP = { nowMs: 0, dedup: true };

test('a task is one commit by the asker, and its id is the commit', async () => {
  const repo = await bareBridge();
  const id = await askLocally(repo, text('2+2'));
  expect(await tasksOn(repo)).toEqual([{ id, text: '2+2' }]);
  expect(await repo.git(['log', '-1', '--format=%an|%s|%(trailers:key=Task-Hash,valueonly)', 'main'])).toBe(
    `bot|ask: 2+2|${taskHash(Buffer.from('2+2'))}\n`,
  );
});

test('of eight who ask at once none is lost, and each is one commit', async () => {
  const repo = await bareBridge();
  const prompts = Array.from({ length: 8 }, (_, at) => [`${at} first`, `${at} second`]);
  const ids = await Promise.all(
    prompts.map(async ([first = '', second = '']) => [
      await askLocally(repo, text(first)),
      await askLocally(repo, text(second)),
    ]),
  );
  const tasks = await tasksOn(repo);
  expect(tasks.map((task) => task.id).sort()).toEqual(ids.flat().sort());
  expect(tasks.map((task) => task.text).sort()).toEqual(prompts.flat().sort());
});

test('of many who ask the same with dedup at once all get one task, and no commit is empty', async () => {
  const repo = await bareBridge();
  const ids = await Promise.all(
    Array.from({ length: 6 }, () => askLocally(repo, draftTask({ prompt: '2+2' }, DEDUP))),
  );
  const tasks = await tasksOn(repo);
  expect(tasks).toHaveLength(1);
  expect(new Set(ids)).toEqual(new Set([tasks[0]?.id]));
});

test('what was asked last and has no answer, or a good one, is not asked again', async () => {
  const repo = await bareBridge();
  const draft = draftTask({ prompt: '2+2' }, DEDUP);
  const id = await askLocally(repo, draft);
  expect(await askLocally(repo, draft)).toBe(id);
  await answerTask(repo, { id, hash: taskHash(draft.bytes) });
  expect(await askLocally(repo, draft)).toBe(id);
  expect(await tasksOn(repo)).toHaveLength(1);
});

test('what was asked last and has an answer that was cut is asked again', async () => {
  const repo = await bareBridge();
  const draft = draftTask({ prompt: '2+2' }, DEDUP);
  const cut = await askLocally(repo, draft);
  const answer = { answer: 'half an', error: null, finish_reason: 'length' };
  await answerTask(repo, { id: cut, hash: taskHash(draft.bytes) }, answer);
  const again = await askLocally(repo, draft);
  expect(again).not.toBe(cut);
  expect((await tasksOn(repo)).map(({ id }) => id)).toEqual([cut, again]);
});

test('what was asked last and has an error, or expired, is asked again as the same question', async () => {
  const repo = await bareBridge();
  const draft = draftTask({ prompt: '2+2' }, DEDUP);
  const failed = await askLocally(repo, draft);
  await answerTask(
    repo,
    { id: failed, hash: taskHash(draft.bytes) },
    { answer: null, error: { code: 'timeout', message: 'm' } },
  );
  const again = await askLocally(repo, draft);
  expect(again).not.toBe(failed);

  const late = await askLocally(repo, draft, { name: 'bot', atMs: Date.now() - 2 * TTL_MS });
  const afterAll = await askLocally(repo, draft);
  const tasks = await tasksOn(repo);
  expect(tasks.map((task) => task.id)).toEqual([failed, again, late, afterAll]);
  for (const task of tasks) expect(JSON.parse(task.text)).toEqual({ prompt: '2+2' });
});

test('what was asked before the last task is asked by a commit of its own, with the same bytes', async () => {
  const repo = await bareBridge();
  const draft = draftTask({ prompt: '2+2' }, DEDUP);
  await askLocally(repo, draft);
  await askLocally(repo, draftTask({ prompt: '3+3' }, DEDUP));
  await askLocally(repo, draft);
  const tasks = await tasksOn(repo);
  expect(tasks).toHaveLength(3);
  expect(tasks[2]?.text).toBe(draft.bytes.toString());
});

test('a ref alongside moves with the task', async () => {
  const repo = await bareBridge();
  const id = await askLocally(repo, text('x'), by(), (to) => [{ ref: 'refs/bridge/watch/x', to }]);
  expect(await resolveRef(repo, 'refs/bridge/watch/x')).toBe(id);
});

test('who finds main locked waits until it is free', async () => {
  const repo = await bareBridge();
  const tip = (await resolveRef(repo, MAIN_REF)) ?? '';
  const other = await gitWithMainLocked({ args: ['--git-dir', repo.gitDir], env: cleanEnv(repo.dir) }, tip);
  const asking = askLocally(repo, text('x'));
  // Its commit is written before main is tried, so where there is a second one, the lock has been met or is
  // about to be.
  const objects = () => repo.git(['cat-file', '--batch-all-objects', '--batch-check']);
  await waitUntil(async () => (await objects()).match(/ commit /g)?.length === 2, 'the commit to be written');
  await other.finish();
  const id = await asking;
  expect(await resolveRef(repo, MAIN_REF)).toBe(id);
  expect(await tasksOn(repo)).toHaveLength(1);
});

test
  .skipIf(process.platform !== 'linux')
  .each(['refs/heads/main.lock', 'HEAD.lock', 'refs/bridge/watch/x.lock'])(
  'who finds %s, which a killed git has left, clears it away and asks',
  async (name) => {
    const repo = await bareBridge();
    await mkdir(join(repo.gitDir, 'refs/bridge/watch'), { recursive: true });
    await writeFile(join(repo.gitDir, name), '');
    const id = await askLocally(repo, text('x'), by(), (to) => [{ ref: 'refs/bridge/watch/x', to }]);

    expect(await resolveRef(repo, MAIN_REF)).toBe(id);
    expect(await resolveRef(repo, 'refs/bridge/watch/x')).toBe(id);
    expect(readRepairs(repo.gitDir, 0)).toMatchObject([
      { text: expect.stringMatching(new RegExp(`^removed ${name}, left by a killed git since 20`)) },
    ]);
  },
);

test('a bridge without main says so', async () => {
  const repo = await bareBridge();
  await repo.git(['update-ref', '-d', MAIN_REF]);
  await expect(askLocally(repo, text('x'))).rejects.toMatchObject({ code: 'no-main' });
});

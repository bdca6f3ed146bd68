import { readFile, truncate, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { walkMainSince } from '../../../src/log/walk-answers.js';
import { keepOpenTasks, noAnswerUpTo, readSinceTasks } from '../../../src/rules/keep-open-tasks.js';
import { readTaskStatuses, type TaskStatus } from '../../../src/rules/task-status.js';
import { listedBridge } from '../../support/listed-bridge.js';
import { anAnswer, writeMany } from '../../support/message-writer.js';

const MAIN = 'refs/heads/main';
const TTL_MS = 7 * 86_400_000;
const MANY = 60;

/** A bridge with many open tasks, the list of them, and one answered task before it. */
async function bridgeWithList() {
  const bridge = await listedBridge();
  const { git, repo, write } = bridge;
  const done = await write.ask(await git(['rev-parse', MAIN]), 'done');
  const answer = await write.answer(done, anAnswer(done, 'done'));
  const open = await writeMany(repo, answer, MANY);
  const at = open.at(-1) ?? '';
  const setMain = (id: string) => git(['update-ref', MAIN, id]);
  await setMain(at);
  await keepOpenTasks(repo, null, { nowMs: Date.now(), ttlMs: TTL_MS });
  const statusOf = async (task: string): Promise<TaskStatus | undefined> => {
    const reader = openObjectReader(repo);
    const context = { repo, reader, tip: MAIN, nowMs: Date.now(), ttlMs: TTL_MS };
    const found = await readTaskStatuses(context, [task]).finally(() => reader.close());
    return found.get(task);
  };
  const readOf = (id: string) => readSinceTasks(repo, MAIN, [{ id, committedAtMs: Date.now() - 60_000 }]);
  return { ...bridge, done, answer, open, at, setMain, statusOf, readOf };
}

test('the oldest of many open tasks is judged by the list and what is behind it, not by all between', async () => {
  const { readOf, open, at, setMain, write, statusOf } = await bridgeWithList();
  const [oldest = '', second = ''] = open;
  const next = await write.ask(at, 'one more');
  await setMain(await write.answer(next, anAnswer(second, 'question 1')));

  expect((await readOf(oldest)).map(({ id }) => id)).toEqual([oldest, next, expect.any(String)]);
  expect(await statusOf(oldest)).toBe('open');
  expect(await statusOf(second)).toBe('answered');
  expect(await statusOf(next)).toBe('open');
});

test('what the list does not have is looked for in history: answered before it, or never asked', async () => {
  const { statusOf, done, answer, readOf } = await bridgeWithList();

  expect(await statusOf(done)).toBe('answered');
  expect(await statusOf(answer)).toBe('unknown');
  expect((await readOf(done)).length).toBe(MANY + 2);
});

test.each([
  ['is torn', async (file: string) => truncate(file, Math.floor((await readFile(file)).length / 2))],
  ['is empty', async (file: string) => truncate(file, 0)],
  ['is of zeros', async (file: string) => writeFile(file, Buffer.alloc(5000))],
  [
    'is of another history',
    async (file: string) => {
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace(/"at":"[0-9a-f]{40}"/, `"at":"${'1'.repeat(40)}"`));
    },
  ],
])('a list that %s says nothing wrong', async (_, harm) => {
  const { file, statusOf, open, done, at, write, setMain } = await bridgeWithList();
  await setMain(await write.answer(at, anAnswer(open[0] ?? '', 'question 0')));

  await harm(file);

  expect(await statusOf(open[0] ?? '')).toBe('answered');
  expect(await statusOf(open.at(-2) ?? '')).toBe('open');
  expect(await statusOf(done)).toBe('answered');
});

test('a list of commits that main was set back from is not believed, and made again', async () => {
  const { statusOf, open, answer, setMain, write, file, repo } = await bridgeWithList();
  const [oldest = ''] = open;
  const other = await write.answer(oldest, anAnswer(oldest, 'question 0'));
  await setMain(other);

  expect(await statusOf(oldest)).toBe('answered');
  expect(await statusOf(open[1] ?? '')).toBe('unknown');
  await keepOpenTasks(repo, answer, { nowMs: Date.now(), ttlMs: TTL_MS });
  const [head = '', ...lines] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  expect(JSON.parse(head)).toMatchObject({ at: other, last_answer: other, open: 0 });
  expect(lines.filter((line) => !line.startsWith('-'))).toEqual([]);
});

test('the list is brought up to date: what was answered goes, what was asked comes, what has expired goes', async () => {
  const { open, at, setMain, write, file, repo, answer } = await bridgeWithList();
  const answered = await write.answer(at, anAnswer(open[0] ?? '', 'question 0'));
  const asked = await write.ask(answered, 'one more');
  await setMain(asked);

  await keepOpenTasks(repo, answer, { nowMs: Date.now(), ttlMs: TTL_MS });

  const [head = '', ...lines] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  expect(JSON.parse(head)).toMatchObject({ at: asked, last_answer: answered, open: MANY });
  const tasks = lines.filter((line) => !line.startsWith('-'));
  expect(tasks.map((line) => line.split(' ')[0])).toEqual([...open.slice(1), asked]);
  await setMain(await write.ask(asked, 'the last'));
  // As far back as a task is seen as expired.
  await keepOpenTasks(repo, answer, { nowMs: Date.now() + 2 * 86_400_000, ttlMs: 1_000 });
  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(1);
});

test('the log goes on behind the list, and not from the last answer, where there is no other between', async () => {
  const { repo, answer, at, write, setMain } = await bridgeWithList();
  const next = await write.ask(at, 'one more');
  await setMain(next);
  const from = await noAnswerUpTo(repo, answer);
  const walked = [];
  for await (const { id } of walkMainSince(repo, answer, from)) walked.push(id);

  expect(walked).toEqual([next]);
  expect(await noAnswerUpTo(repo, null)).toBeNull();
  await setMain(await write.ask(answer, 'instead'));
  const again = [];
  for await (const { subject } of walkMainSince(repo, answer, from)) again.push(subject);
  expect(again).toEqual(['ask: instead']);
});

import { cpSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { checkInvariant, type InvariantInput } from '../../soak/check-invariant.js';
import { runCli } from '../../support/cli.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, type MessageWriter, messageWriter } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { tempDir } from '../../support/temp-dir.js';

/** A bridge as it should be: three tasks, answered out of their order, logged in two files. */
let good: PlainBridge;
let tasks: string[];
let answers: string[];

const promptOf = (index: number) => `soak-token-${index}: what is it?`;
const TOKEN = /soak-token-[0-9]+/;
const HOUR_MS = 3_600_000;

beforeAll(async () => {
  good = await startPlainBridge({ hooks: 'here' });
  const where = { gitDir: good.repoPath, env: good.env };
  const writer = messageWriter(good.repoPath, good.env);
  tasks = [];
  answers = [];
  let tip = await good.tip();
  for (const index of [0, 1, 2]) {
    tip = await writer.ask(tip, promptOf(index));
    tasks.push(tip);
  }
  for (const index of [1, 0, 2]) {
    tip = await writer.answer(
      tip,
      anAnswer(tasks[index] ?? '', promptOf(index), { answer: `answer ${index}` }),
    );
    answers.push(tip);
    await gitOk(['update-ref', 'refs/heads/main', tip], where);
    const { exitCode } = await runCli(['ingest', '--repo', good.repoPath], { env: good.env });
    expect(exitCode).toBe(0);
    const log = join(good.repoPath, 'bridge', 'answers.log');
    if (answers.length === 1) await rename(log, `${log}.1`);
  }
});

/** A copy of the good bridge, to be broken. */
interface Copy {
  readonly repoPath: string;
  readonly logPath: string;
  readonly write: MessageWriter;
  tip(): Promise<string>;
  /** Moves main, past all hooks. */
  moveTo(commit: string): Promise<void>;
  /** Puts the log lines through `change`, and writes them back into one file. */
  changeLog(change: (lines: string[]) => string[]): Promise<void>;
  /** The kinds of wrong that the checker sees, each once. */
  check(other?: Partial<InvariantInput>): Promise<string[]>;
}

async function copyOfGood(): Promise<Copy> {
  const repoPath = join(await tempDir(), 'bridge.git');
  cpSync(good.repoPath, repoPath, { recursive: true });
  const where = { gitDir: repoPath, env: good.env };
  const logPath = join(repoPath, 'bridge', 'answers.log');
  return {
    repoPath,
    logPath,
    write: messageWriter(repoPath, good.env),
    tip: async () => (await gitOk(['rev-parse', 'main'], where)).trim(),
    moveTo: async (commit) => void (await gitOk(['update-ref', 'refs/heads/main', commit], where)),
    async changeLog(change) {
      const text = (await readFile(`${logPath}.1`, 'utf8')) + (await readFile(logPath, 'utf8'));
      await rm(`${logPath}.1`);
      await writeFile(logPath, change(text.split(/(?<=\n)/)).join(''));
    },
    async check(other = {}) {
      const input = { repoPath, logPath, nowMs: Date.now(), ttlMs: HOUR_MS, token: TOKEN, ...other };
      const { violations } = await checkInvariant(input);
      return [...new Set(violations.map((one) => one.slice(0, one.indexOf(':'))))].sort();
    },
  };
}

/** A record with another number. */
function numbered(line: string, seq: number): string {
  return line.replace(/"seq":[0-9]+/, `"seq":${seq}`);
}

test('a bridge that keeps its promise has nothing wrong, and is counted', async () => {
  const copy = await copyOfGood();
  const acknowledged = tasks.map((task, index) => ({ task, token: `soak-token-${index}` }));
  const given = [{ task: tasks[1] ?? '', answer: 'answer 1' }];

  const input = { repoPath: copy.repoPath, logPath: copy.logPath, nowMs: Date.now(), ttlMs: HOUR_MS };
  const report = await checkInvariant({ ...input, token: TOKEN, acknowledged, given });

  expect(report).toEqual({
    violations: [],
    tasks: 3,
    answers: 3,
    errors: {},
    cached: 0,
    expired: 0,
    logFiles: 2,
    logRecords: 3,
  });
});

test.each<[string, (lines: string[]) => string[], string[]]>([
  ['a line is missing', (lines) => lines.slice(0, 2), ['not-logged']],
  ['a line in the middle is missing', ([a = '', , c = '']) => [a, c], ['not-logged', 'order', 'seq']],
  ['a line stands there twice', ([a = '', b = '', c = '']) => [a, b, b, c], ['logged-twice', 'order', 'seq']],
  [
    'an answer is logged under two numbers',
    ([a = '', b = '', c = '']) => [a, b, c, numbered(c, 4)],
    ['logged-twice'],
  ],
  ['two lines are swapped', ([a = '', b = '', c = '']) => [b, a, c], ['order', 'seq']],
  [
    'two answers are swapped under the right numbers',
    ([a = '', b = '', c = '']) => [numbered(b, 1), numbered(a, 2), c],
    ['order'],
  ],
  ['a number is left out', ([a = '', b = '', c = '']) => [a, b, numbered(c, 4)], ['seq']],
  ['the numbers start again', ([a = '', b = '', c = '']) => [a, b, numbered(c, 1)], ['seq']],
  ['a text is altered', ([a = '', ...rest]) => [a.replace('"answer 1"', '"answer 7"'), ...rest], ['field']],
  ['a field is missing', ([a = '', ...rest]) => [a.replace('"latency_ms":812,', ''), ...rest], ['field']],
  ['a field is added', ([a = '', ...rest]) => [a.replace('{', '{"priority":1,'), ...rest], ['field']],
  [
    'a record says nothing of when it came in',
    ([a = '', ...rest]) => [a.replace(/"ingested_at":"[^"]*"/, '"ingested_at":null'), ...rest],
    ['field'],
  ],
  [
    'a record is of no answer on main',
    ([a = '', b = '', c = '']) => [
      a,
      b,
      c,
      numbered(c.replace(/"commit":"[^"]*"/, `"commit":"${'0'.repeat(40)}"`), 4),
    ],
    ['not-in-history'],
  ],
  [
    'the last line is torn',
    ([a = '', b = '', c = '']) => [a, b, c.slice(0, -10)],
    ['log-line', 'not-logged'],
  ],
  ['a line is no record', (lines) => [...lines, 'what?\n'], ['log-line']],
  [
    'a line has a line separator in it',
    ([a = '', ...rest]) => [a.replace('answer 1', 'a\u2028b'), ...rest],
    ['field', 'log-line'],
  ],
])('in the log, %s: found', async (_what, change, kinds) => {
  const copy = await copyOfGood();
  await copy.changeLog(change);
  expect(await copy.check()).toEqual(kinds);
});

test('a rotated file counts, compressed or not; without it, its records are missed', async () => {
  const copy = await copyOfGood();
  const rotated = `${copy.logPath}.1`;
  await writeFile(`${copy.logPath}-20261122.gz`, gzipSync(await readFile(rotated)));
  await rm(rotated);
  expect(await copy.check()).toEqual([]);
  await rm(`${copy.logPath}-20261122.gz`);
  expect(await copy.check()).toEqual(['not-logged', 'order', 'seq']);
});

test('a task without an answer is found, unless its time is over', async () => {
  const copy = await copyOfGood();
  await copy.moveTo(await copy.write.ask(await copy.tip(), promptOf(3)));
  expect(await copy.check()).toEqual(['not-answered']);
  expect(await copy.check({ nowMs: Date.now() + 2 * HOUR_MS })).toEqual([]);
});

test('a question that was asked twice is found', async () => {
  const copy = await copyOfGood();
  const again = await copy.write.ask(await copy.tip(), `once more, ${promptOf(2)}`);
  await copy.moveTo(again);
  expect(await copy.check()).toEqual(['asked-twice', 'not-answered']);
});

test.each<[string, (copy: Copy) => Promise<string>, string[]]>([
  [
    'answers what was never asked',
    async (copy) => copy.write.answer(await copy.tip(), anAnswer('1'.repeat(40), promptOf(0))),
    ['no-task', 'not-logged'],
  ],
  [
    'answers a task once more',
    async (copy) => copy.write.answer(await copy.tip(), anAnswer(tasks[0] ?? '', promptOf(0))),
    ['answered-twice', 'not-logged'],
  ],
  [
    'changes the inbox into no JSON',
    async (copy) => copy.write.set(await copy.tip(), 'inbox.json', '{'),
    ['inbox'],
  ],
  [
    'brings a file that is none of the three',
    async (copy) => copy.write.set(await copy.tip(), 'notes.txt', 'x'),
    ['shape'],
  ],
  [
    'changes nothing',
    async (copy) => {
      const tip = await copy.tip();
      return copy.write.commit({ parents: [tip], tree: await copy.write.treeOf(tip), message: 'nothing\n' });
    },
    ['shape'],
  ],
  [
    'makes the task an executable',
    async (copy) =>
      copy.write.set(await copy.tip(), 'task.txt', 'x', {
        entries: (entries) =>
          entries.map((one) => (one.name === 'task.txt' ? { ...one, mode: '100755' } : one)),
      }),
    ['shape'],
  ],
  [
    'merges another line',
    async (copy) => {
      const tip = await copy.tip();
      const other = await copy.write.ask(tip, promptOf(4));
      const tree = await copy.write.treeOf(other);
      return copy.write.commit({ parents: [tip, other], tree, message: 'merge\n' });
    },
    ['line', 'shape'],
  ],
])('a commit on main that %s: found', async (_what, make, kinds) => {
  const copy = await copyOfGood();
  await copy.moveTo(await make(copy));
  expect(await copy.check()).toEqual(kinds);
});

test.each<[string, (task: string) => Parameters<MessageWriter['answer']>[1], string | undefined, string[]]>([
  ['the hash of another text', (task) => anAnswer(task, 'another text'), undefined, ['hash']],
  [
    'another task in its trailer',
    (task) => anAnswer(task, promptOf(5)),
    'answer\n\nTask: 2222222222222222222222222222222222222222\n',
    ['hash', 'trailer'],
  ],
  ['neither answer nor error', (task) => anAnswer(task, promptOf(5), { answer: null }), undefined, ['inbox']],
  [
    'the answer to another question',
    (task) => anAnswer(task, promptOf(5), { answer: 'soak-token-1 is 4' }),
    undefined,
    ['mixed-up'],
  ],
])('an answer with %s: found', async (_what, make, message, kinds) => {
  const copy = await copyOfGood();
  const task = await copy.write.ask(await copy.tip(), promptOf(5));
  const twist = message === undefined ? {} : { message };
  await copy.moveTo(await copy.write.answer(task, make(task), twist));
  expect(await copy.check()).toEqual([...kinds, 'not-logged'].sort());
});

test('what whoever asked was told, and is not so, is found', async () => {
  const copy = await copyOfGood();
  const [first = '', second = ''] = tasks;
  expect(await copy.check({ acknowledged: [{ task: first, token: 'soak-token-1' }] })).toEqual(['lost-task']);
  expect(await copy.check({ acknowledged: [{ task: '3'.repeat(40), token: 'soak-token-1' }] })).toEqual([
    'lost-task',
  ]);
  expect(await copy.check({ given: [{ task: second, answer: 'answer 0' }] })).toEqual(['lost-answer']);
});

test.each([
  ['refs/heads/main.lock', 'left-file'],
  ['packed-refs.lock', 'left-file'],
  ['objects/tmp_objdir-incoming-Xy12/pack/pack-1.pack', 'left-file'],
  ['objects/pack/tmp_pack_Xy12', 'left-file'],
  ['objects/pack/.tmp-1-pack-2.pack', 'left-file'],
])('%s, left by a killed git: found', async (name, kind) => {
  const copy = await copyOfGood();
  await mkdir(join(copy.repoPath, name, '..'), { recursive: true });
  await writeFile(join(copy.repoPath, name), '');
  expect(await copy.check()).toContain(kind);
});

test('a ref nobody needs is found', async () => {
  const copy = await copyOfGood();
  const where = { gitDir: copy.repoPath, env: good.env };
  await gitOk(['update-ref', `refs/bridge/claims/${tasks[0]}`, tasks[0] ?? ''], where);
  await gitOk(['update-ref', 'refs/bridge/watch/0123', tasks[0] ?? ''], where);
  await gitOk(['update-ref', 'refs/bridge/agents/home-pc', tasks[0] ?? ''], where);
  await gitOk(['update-ref', 'refs/bridge/models/home-pc', tasks[0] ?? ''], where);
  expect(await copy.check()).toEqual(['left-ref']);
});

test('a damaged object is found', async () => {
  const copy = await copyOfGood();
  const where = { gitDir: copy.repoPath, env: good.env };
  const blob = await copy.write.blob('nobody refers to this one');
  const file = join(copy.repoPath, 'objects', blob.slice(0, 2), blob.slice(2));
  await chmod(file, 0o600);
  await writeFile(file, 'damaged');
  expect(await copy.check()).toEqual(['fsck']);
  await rm(file);
  expect(await copy.check()).toEqual([]);
  const lost = (await gitOk(['rev-parse', `${answers[0]}:inbox.json`], where)).trim();
  await rm(join(copy.repoPath, 'objects', lost.slice(0, 2), lost.slice(2)), { force: true });
  expect(await copy.check()).toContain('fsck');
});

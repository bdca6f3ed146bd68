import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type Difference, verifyLog } from '../../../src/log/verify-log.js';
import { logRecordSchema } from '../../../src/protocol/log-record.js';
import { startCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, writeMany } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { waitUntil } from '../../support/wait-until.js';

/** A bridge with four answers, its log whole. */
let bridge: PlainBridge;
let repo: { gitDir: string; env: Record<string, string> };
let log: string;
let lines: string[];
/** Commits of the answers. */
let commits: string[];

beforeAll(async () => {
  bridge = await startPlainBridge({ hooks: 'here' });
  repo = { gitDir: bridge.repoPath, env: bridge.env };
  log = join(bridge.repoPath, 'bridge', 'answers.log');
  const ids = await writeMany(
    { gitDir: bridge.repoPath, env: bridge.env },
    await bridge.tip(),
    4,
    (n) => `answer ${n}`,
  );
  commits = ids.slice(4);
  await setMain(ids.at(-1) ?? '');
  expect((await cli('ingest')).exitCode).toBe(0);
  lines = (await bridge.readLog()).split(/(?<=\n)/);
});

const cli = (...args: string[]) => runCliHere([...args, '--repo', bridge.repoPath], { env: bridge.env });
const setMain = (id: string) => gitOk(['update-ref', 'refs/heads/main', id], repo);

test('a log that says what history says has no difference', async () => {
  await writeFile(log, lines.join(''));
  const expected = { ok: true, difference: null, answers: 4, records: 4, first_seq: 1, files: [log] };

  expect(JSON.parse((await cli('verify', '--json')).stdout)).toEqual(expected);
  expect(await cli('verify')).toEqual({
    exitCode: 0,
    stdout: '4 records say what the 4 answers on main say\n',
    stderr: '',
  });
});

test('the order of fields, and a line that is being written, are no difference', async () => {
  const reversed = Object.fromEntries(Object.entries(JSON.parse(lines[1] ?? '')).reverse());
  await writeFile(log, `${lines[0]}${JSON.stringify(reversed)}\n${lines[2]}${lines[3]}{"seq":5,"com`);
  expect(await verifyLog(repo)).toMatchObject({ ok: true, records: 4 });
});

interface Damage {
  readonly title: string;
  readonly change: () => string[];
  readonly kind: Difference['kind'];
  readonly seq: number;
  readonly line: number | null;
  readonly what: RegExp;
}
const edit = (index: number, from: string | RegExp, to: string | ((was: string) => string)) =>
  lines.map((line, at) =>
    at === index ? line.replace(from, (was) => (typeof to === 'string' ? to : to(was))) : line,
  );
const damages: readonly Damage[] = [
  {
    title: 'a record is missing in the middle',
    change: () => lines.filter((_, at) => at !== 1),
    ...{ kind: 'missing', seq: 2, line: 2, what: /goes on with no\. 3/ },
  },
  {
    title: 'the first record is missing',
    change: () => lines.slice(1),
    ...{ kind: 'missing', seq: 1, line: 1, what: /goes on with no\. 2/ },
  },
  {
    title: 'the last is not logged yet',
    change: () => lines.slice(0, 3),
    ...{ kind: 'not-logged', seq: 4, line: null, what: /on main and not in the log/ },
  },
  {
    title: 'a record stands twice',
    change: () => [...lines.slice(0, 2), ...lines.slice(1)],
    ...{ kind: 'repeated', seq: 2, line: 3, what: /has it before/ },
  },
  {
    title: 'an answer was changed by one letter',
    change: () => edit(2, 'answer 2', 'answer Z'),
    ...{ kind: 'changed', seq: 3, line: 3, what: /"answer"/ },
  },
  {
    title: 'a commit was changed',
    // Whatever id it has: one in 256 begins with these.
    change: () => edit(0, /"commit":"../, (was) => `"commit":"${was.endsWith('00') ? '11' : '00'}`),
    ...{ kind: 'changed', seq: 1, line: 1, what: /"commit"/ },
  },
  {
    title: 'who asked was changed',
    change: () => edit(1, '"asker":"somebody"', '"asker":"nobody"'),
    ...{ kind: 'changed', seq: 2, line: 2, what: /"asker"/ },
  },
  {
    title: 'a field was added',
    change: () => edit(3, '{', '{"more":1,'),
    ...{ kind: 'changed', seq: 4, line: 4, what: /"more"/ },
  },
  {
    title: 'a line in the middle is no record',
    change: () => edit(1, /^.*/, 'hello'),
    ...{ kind: 'no-record', seq: 2, line: 2, what: /not a record/ },
  },
];

test.each(damages)('where $title, the first difference is named, and a rebuild mends it', async (damage) => {
  await writeFile(log, damage.change().join(''));

  const { difference } = await verifyLog(repo);
  const said = await cli('verify');

  const { kind, seq, line } = damage;
  expect(difference).toEqual({
    ...{ kind, seq, line, file: log },
    commit: kind === 'repeated' ? commits[1] : commits[seq - 1],
    what: expect.stringMatching(damage.what),
  });
  expect(said).toMatchObject({ exitCode: 1, stdout: '' });
  expect(said.stderr).toMatch(new RegExp(`^error: .*answers\\.log.*no\\. ${seq}, commit .*\ntry: `));

  expect((await cli('ingest', '--rebuild')).exitCode).toBe(0);
  expect(await verifyLog(repo)).toMatchObject({ ok: true, records: 4 });
});

test('a record that history does not have is named', async () => {
  await writeFile(log, lines.join(''));
  const tip = await bridge.tip();
  await setMain(commits[2] ?? '');
  try {
    expect((await verifyLog(repo)).difference).toMatchObject({
      ...{ kind: 'not-in-history', seq: 4, commit: commits[3], line: 4 },
    });
  } finally {
    await setMain(tip);
  }
});

test('a rebuild keeps the times, the mode and the old files, and says so', async () => {
  const own = await startPlainBridge({ hooks: 'here' });
  const ownLog = join(own.repoPath, 'bridge', 'answers.log');
  const run = (...args: string[]) => runCliHere([...args, '--repo', own.repoPath], { env: own.env });
  const ids = await writeMany(
    { gitDir: own.repoPath, env: own.env },
    await own.tip(),
    3,
    (n) => `answer ${n}`,
  );
  await gitOk(['update-ref', 'refs/heads/main', ids.at(-1) ?? ''], { gitDir: own.repoPath, env: own.env });
  await run('ingest');
  const before = await own.readLog();
  const [one, two] = before.split(/(?<=\n)/);
  await writeFile(`${ownLog}.1`, one ?? '');
  await writeFile(ownLog, `${two}garbage\n`);

  const result = JSON.parse((await run('ingest', '--rebuild', '--json')).stdout);

  expect(result).toEqual({
    ...{ records: 3, kept_times: 2 },
    aside: [
      expect.stringMatching(/answers\.log\.old-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/),
      expect.stringMatching(/answers\.log\.1\.old-/),
    ],
  });
  const [first, second, third] = (await own.readLog()).split(/(?<=\n)/);
  expect([first, second]).toEqual([one, two]);
  expect(logRecordSchema.parse(JSON.parse(third ?? '')).seq).toBe(3);
  expect(await readFile(result.aside[0], 'utf8')).toBe(`${two}garbage\n`);
  expect(await readFile(result.aside[1], 'utf8')).toBe(one);
  expect((await readdir(join(own.repoPath, 'bridge'))).filter((name) => name.endsWith('.new'))).toEqual([]);
  expect((await run('ingest')).stdout).toBe('0 added, 3 in all\n');
});

test('a reader that follows the log reads the rebuilt one from its start', async () => {
  await writeFile(log, lines.join(''));
  const follower = await startCli(['log', '--follow', '--json', '--repo', bridge.repoPath], {
    env: bridge.env,
  });
  await follower.waitFor('stdout', /"seq":4/);
  await cli('ingest', '--rebuild');
  await waitUntil(() => follower.stdout().split('\n').length === 9, 'the four records once more');
  expect(follower.stdout().match(/"seq":\d/g)).toEqual([1, 2, 3, 4, 1, 2, 3, 4].map((seq) => `"seq":${seq}`));
});

interface Forgery {
  readonly title: string;
  /** Builds on main past the hooks; answers the commit that is wrong. */
  readonly forge: (tip: string) => Promise<string>;
  readonly what: RegExp;
}
const forgeries: readonly Forgery[] = [
  {
    title: 'a trailer that does not say what the answer says',
    async forge(tip) {
      const task = await bridge.writer.ask(tip, 'new');
      const message = `answer\n\nTask: ${task}\nTask-Hash: ${'0'.repeat(64)}\nStatus: ok\n`;
      return bridge.writer.answer(task, anAnswer(task, 'new'), { message });
    },
    what: /^the trailer Task-Hash does not say what inbox\.json says$/,
  },
  {
    title: 'a hash that is not of the task',
    async forge(tip) {
      const task = await bridge.writer.ask(tip, 'new');
      return bridge.writer.answer(task, anAnswer(task, 'other'));
    },
    what: /^task [0-9a-f]{8} does not have the hash/,
  },
  {
    title: 'a task that is not on main',
    async forge(tip) {
      const task = await bridge.writer.ask(tip, 'aside');
      return bridge.writer.answer(tip, anAnswer(task, 'aside'));
    },
    what: /^no task [0-9a-f]{8} was asked on main before it$/,
  },
  {
    title: 'a task that has an answer',
    async forge(tip) {
      const task = await bridge.writer.ask(tip, 'new');
      const first = await bridge.writer.answer(task, anAnswer(task, 'new'));
      return bridge.writer.answer(first, anAnswer(task, 'new', { answer: '5' }));
    },
    what: /^task [0-9a-f]{8} was answered before, by commit [0-9a-f]{8}$/,
  },
  {
    title: 'a file that is no answer',
    forge: (tip) => bridge.writer.set(tip, 'inbox.json', '{"not":"an answer"}'),
    what: /^inbox\.json /,
  },
];

test.each(forgeries)('an answer with $title, written past the hooks, is named', async ({ forge, what }) => {
  await writeFile(log, lines.join(''));
  const tip = await bridge.tip();
  await gitOk(['fetch', '--quiet', bridge.repoPath, 'refs/heads/main'], {
    gitDir: bridge.cloneDir,
    env: bridge.env,
  });
  const forged = await forge(tip);
  await gitOk(['update-ref', 'refs/heads/forged', forged], { gitDir: bridge.cloneDir, env: bridge.env });
  await gitOk(['fetch', '--quiet', bridge.cloneDir, 'refs/heads/forged'], repo);
  await setMain(forged);
  try {
    await cli('ingest');
    expect((await verifyLog(repo)).difference).toEqual({
      ...{ kind: 'history', seq: null, file: null, line: null, commit: forged },
      what: expect.stringMatching(what),
    });
    const { exitCode, stderr } = await cli('verify');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: main \(commit [0-9a-f]{8}\): .*\ntry: main was written past the hooks/);
  } finally {
    await setMain(tip);
  }
});

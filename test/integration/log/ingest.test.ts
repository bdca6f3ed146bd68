import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { checkLog } from '../../../src/admin/doctor/check-log.js';
import { type LogRecord, logRecordSchema } from '../../../src/protocol/log-record.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, messageWriter, writeMany } from '../../support/message-writer.js';
import { ourLines, type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { IS_FULL_LENGTH } from '../../support/test-length.js';
import { waitUntil } from '../../support/wait-until.js';

const MAIN = 'refs/heads/main';
const logOf = (bridge: PlainBridge) => join(bridge.repoPath, 'bridge', 'answers.log');

/** What git says to post-receive where main moved; what is new is for the log to say. */
const MAIN_MOVED = `${'0'.repeat(40)} ${'1'.repeat(40)} ${MAIN}\n`;

/** Runs the installed post-receive hook as git does. */
function postReceive(bridge: PlainBridge, input = MAIN_MOVED): Promise<RunResult> {
  return runProcess(join(bridge.repoPath, 'hooks', 'post-receive'), [], hookOptions(bridge, input));
}

function hookOptions(bridge: PlainBridge, input = MAIN_MOVED) {
  return { cwd: bridge.repoPath, env: { ...bridge.env, GIT_DIR: '.' }, input };
}

function ingest(bridge: PlainBridge): Promise<RunResult> {
  return runCliHere(['ingest', '--repo', bridge.repoPath, '--json'], { env: bridge.env });
}

/** Asks and answers once through pushes; the answer's commit. */
async function exchange(bridge: PlainBridge, prompt: string, answer = '4'): Promise<string> {
  const asked = await bridge.writer.ask(await bridge.tip(), prompt);
  await bridge.pushOk(asked);
  return bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, prompt, { answer })));
}

/** Puts answers on main with no hook run, as if each hook had been killed. */
async function answerSilently(
  bridge: PlainBridge,
  count: number,
  text = (index: number) => `answer ${index}`,
): Promise<string[]> {
  const ids = await writeMany({ gitDir: bridge.repoPath, env: bridge.env }, await bridge.tip(), count, text);
  await gitOk(['update-ref', MAIN, ids.at(-1) ?? ''], { gitDir: bridge.repoPath, env: bridge.env });
  return ids.slice(count);
}

async function records(bridge: PlainBridge): Promise<LogRecord[]> {
  const lines = (await bridge.readLog()).split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => logRecordSchema.parse(JSON.parse(line)));
}

/** The log is one record for each answer on main, in order and counted. */
async function expectWholeLog(bridge: PlainBridge): Promise<void> {
  const args = ['log', '--reverse', '--first-parent', '--format=%H', MAIN, '--', 'inbox.json'];
  const ids = (await gitOk(args, { gitDir: bridge.repoPath, env: bridge.env })).trim().split('\n');
  const found = await records(bridge);
  expect(found.map(({ commit }) => commit)).toEqual(ids);
  expect(found.map(({ seq }) => seq)).toEqual(ids.map((_, index) => index + 1));
}

test('each answer becomes one line with its number, its commit and what it says, and a task none', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const nasty = 'строка\nвторая\u2028третья\u0085\u001b[31m "\\';
  const first = await exchange(bridge, 'one', nasty);
  const second = await exchange(bridge, 'two');

  const log = await bridge.readLog();

  expect(log.split(/[\n\u0085\u2028\u2029]/)).toHaveLength(3);
  expect(log).toContain('строка');
  expect(await records(bridge)).toMatchObject([
    { seq: 1, commit: first, answer: nasty, agent: 'home-pc', ingested_at: expect.stringMatching(/Z$/) },
    { seq: 2, commit: second, answer: '4' },
  ]);
});

test('the hook run again adds nothing, whatever its standard input says', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const id = await exchange(bridge, 'one');
  const before = await bridge.readLog();
  const { mtimeMs } = await stat(logOf(bridge));

  for (const input of ['', `${'0'.repeat(40)} ${id} ${MAIN}\n`, 'garbage', 'x'.repeat(1_000_000)]) {
    expect(await postReceive(bridge, input)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  }

  expect(await bridge.readLog()).toBe(before);
  expect((await stat(logOf(bridge))).mtimeMs).toBe(mtimeMs);
});

test('answers that came in while the hook could not run are taken in by the next run', async () => {
  const bridge = await startPlainBridge();
  const hook = join(bridge.repoPath, 'hooks', 'post-receive');
  const text = await readFile(hook, 'utf8');
  await writeFile(hook, text.replace(/^node=.*/m, 'node=/nowhere').replace('bridge/find-node', 'false'));
  const asked = await bridge.writer.ask(await bridge.tip(), 'one');
  await bridge.pushOk(asked);
  const id = await bridge.writer.answer(asked, anAnswer(asked, 'one'));
  const pushed = await bridge.push([`${id}:${MAIN}`]);
  expect(pushed.exitCode).toBe(0);
  expect(ourLines(pushed.stderr)).toEqual([expect.stringContaining('accepted, but not logged')]);
  expect(await bridge.readLog()).toBe('');
  await writeFile(hook, text);

  await exchange(bridge, 'two');

  await expectWholeLog(bridge);
  expect(await records(bridge)).toHaveLength(2);
});

test('ingest catches up, says what it did, and has nothing to do the second time', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 3);

  const first = await ingest(bridge);
  const second = await ingest(bridge);

  expect(JSON.parse(first.stdout)).toEqual({ added: 3, last_seq: 3, repaired_bytes: 0 });
  expect(JSON.parse(second.stdout)).toEqual({ added: 0, last_seq: 3, repaired_bytes: 0 });
  await expectWholeLog(bridge);
});

test('a commit that only looks like an answer has no line and no number', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const write = messageWriter(bridge.repoPath, bridge.env);
  const tip = await bridge.tip();
  const broken = await write.set(tip, 'inbox.json', '{"not":"an answer"}');
  const linked = await write.answer(broken, anAnswer(tip, 'x'), {
    entries: (entries) =>
      entries.map((entry) => (entry.name === 'inbox.json' ? { ...entry, mode: '160000', id: tip } : entry)),
  });
  const good = await write.answer(linked, anAnswer(tip, 'y'));
  await gitOk(['update-ref', MAIN, good], { gitDir: bridge.repoPath, env: bridge.env });

  await postReceive(bridge);

  expect(await records(bridge)).toMatchObject([{ seq: 1, commit: good }]);
});

test('a torn last line is cut off and kept aside, wherever it was torn', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 2, (index) => (index === 0 ? 'short' : 'д'.repeat(100_000)));
  await ingest(bridge);
  const whole = await readFile(logOf(bridge));
  const firstLine = whole.indexOf(0x0a) + 1;

  let aside = Buffer.alloc(0);
  for (const length of [1, firstLine - 1, firstLine + 1, firstLine + 70_001, whole.length - 1]) {
    await writeFile(logOf(bridge), whole.subarray(0, length));
    const torn = whole.subarray(length < firstLine ? 0 : firstLine, length);
    aside = Buffer.concat([aside, torn, Buffer.from('\n')]);

    const result = await ingest(bridge);

    expect(JSON.parse(result.stdout)).toMatchObject({ last_seq: 2, repaired_bytes: torn.length });
    await expectWholeLog(bridge);
    expect((await readFile(`${logOf(bridge)}.torn`)).equals(aside)).toBe(true);
  }
});

test('a log cut off between two lines is only caught up', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 2);
  await ingest(bridge);
  await truncate(logOf(bridge), (await bridge.readLog()).indexOf('\n') + 1);

  expect(JSON.parse((await ingest(bridge)).stdout)).toEqual({ added: 1, last_seq: 2, repaired_bytes: 0 });
  await expectWholeLog(bridge);
});

test.each([
  ['is no JSON', 'hello\n'],
  ['is empty', '\n'],
  ['is no record', '{"seq":0,"commit":"x"}\n'],
  ['is zeros, as a power cut leaves them', `${'\0'.repeat(100)}\n`],
])('where the last whole line %s, nothing is written and the error says what to do', async (_what, line) => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 1);
  await writeFile(logOf(bridge), line);

  const byHand = await ingest(bridge);
  const byHook = await postReceive(bridge);

  expect(byHand).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not a record') });
  expect(byHand.stderr).toContain('try: "llm-bridge ingest --rebuild"');
  expect(byHook).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^llm-bridge: accepted.*\n$/) });
  expect(await bridge.readLog()).toBe(line);
});

test('the log of another history, and one that main was set back behind, are left as they are', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const [first = ''] = await answerSilently(bridge, 2);
  await ingest(bridge);
  const whole = await bridge.readLog();
  const setMain = (id: string) =>
    gitOk(['update-ref', MAIN, id], { gitDir: bridge.repoPath, env: bridge.env });

  // Set back, and set aside: the last commit of the log exists, but is not on main.
  await setMain(first);
  expect((await ingest(bridge)).stderr).toContain('not in the history of main');
  const write = messageWriter(bridge.repoPath, bridge.env);
  await setMain(await write.answer(first, anAnswer(first, 'aside', { answer: 'another' })));
  expect((await ingest(bridge)).stderr).toContain('not in the history of main');
  expect(await bridge.readLog()).toBe(whole);

  const foreign = whole.replaceAll(/"commit":"[0-9a-f]{40}"/g, `"commit":"${'a'.repeat(40)}"`);
  await writeFile(logOf(bridge), foreign);
  expect((await ingest(bridge)).stderr).toContain('not in the history of main');
  expect(await bridge.readLog()).toBe(foreign);
});

test('bridge.answersLog moves the log, and a folder that is missing is said with what to do', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 1);
  const moved = join(bridge.dir, 'moved', 'log.jsonl');
  await gitOk(['config', 'bridge.answersLog', moved], { gitDir: bridge.repoPath, env: bridge.env });

  const missing = await ingest(bridge);
  expect(missing.stderr).toMatch(/^error: cannot write to .*moved.*\ntry: .*bridge\.answersLog/);
  await mkdir(join(bridge.dir, 'moved'));
  await postReceive(bridge);

  expect((await readFile(moved, 'utf8')).split('\n')).toHaveLength(2);
  expect(await bridge.readLog()).toBe('');
});

test('where others may write, no planted symlink is followed, and push, ingest and doctor say what to do', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const { repoPath, env, dir } = bridge;
  const folder = join(dir, 'shared');
  const mine = join(dir, 'authorized_keys');
  await writeFile(mine, 'mine\n');
  await mkdir(folder);
  await chmod(folder, 0o777);
  await symlink(mine, join(folder, 'answers.log'));
  await gitOk(['config', 'bridge.answersLog', join(folder, 'answers.log')], { gitDir: repoPath, env });
  const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
  const answer = await bridge.writer.answer(asked, anAnswer(asked, 'q'));

  const pushed = await bridge.push([`${answer}:${MAIN}`]);

  expect(pushed.exitCode).toBe(0);
  expect(ourLines(pushed.stderr)[0]).toMatch(
    /accepted, but not logged yet: .*shared can be written by others/,
  );
  for (const args of [['ingest'], ['ingest', '--rebuild']]) {
    const byHand = await runCliHere([...args, '--repo', repoPath], { env });
    expect(byHand).toMatchObject({ exitCode: 1, stdout: '' });
    expect(byHand.stderr).toMatch(
      new RegExp(
        `^error: .*answers\\.log is not used, .*\ntry: chmod go-w ${folder}; or git -C ${repoPath} config `,
      ),
    );
  }
  const log = { gitDir: repoPath, env };
  expect(await checkLog(log, join(folder, 'answers.log'))).toMatchObject([
    { status: 'broken', text: expect.stringContaining('others could put a file in its place') },
  ]);
  expect(await readFile(mine, 'utf8')).toBe('mine\n');
  expect(await readdir(folder)).toEqual(['answers.log']);

  await chmod(folder, 0o755);
  await rm(join(folder, 'answers.log'));
  expect(await ingest(bridge)).toMatchObject({ exitCode: 0 });
  expect((await readFile(join(folder, 'answers.log'), 'utf8')).split('\n')).toHaveLength(2);
  expect(await checkLog(log, join(folder, 'answers.log'))).toMatchObject([{ status: 'ok' }]);
  await chmod(join(folder, 'answers.log'), 0o666);
  expect(await checkLog(log, join(folder, 'answers.log'))).toMatchObject([
    { status: 'broken', text: expect.stringContaining('it may say what history does not') },
  ]);
});

test('an answer of a megabyte is one line, and the next one finds the end of it', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await exchange(bridge, 'long', 'ж'.repeat(500_000));
  await exchange(bridge, 'short');

  expect((await records(bridge)).map(({ seq, answer }) => [seq, answer?.length])).toEqual([
    [1, 500_000],
    [2, 1],
  ]);
});

test('eight ingests at once add each record once', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 200, () => 'a'.repeat(2000));

  const results = await Promise.all(Array.from({ length: 8 }, () => postReceive(bridge)));

  expect(results.map(({ exitCode }) => exitCode)).toEqual(Array(8).fill(0));
  expect(results.filter(({ stderr }) => stderr.includes('200 answers logged'))).toHaveLength(1);
  await expectWholeLog(bridge);
});

test('an ingest that is killed while it writes is finished by the next, to the same log', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 400, (index) => `${index} ${'a'.repeat(20_000)}`);
  let size = 0;
  for (let round = 0; round < 3; round += 1) {
    const child: ChildProcess = spawn(join(bridge.repoPath, 'hooks', 'post-receive'), {
      ...hookOptions(bridge),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin?.end(MAIN_MOVED);
    const gone = once(child, 'exit');
    const from = size;
    await waitUntil(async () => (await stat(logOf(bridge))).size > from, 'the ingest writes');
    child.kill('SIGKILL');
    expect((await gone)[1], 'the ingest was done before it could be killed').toBe('SIGKILL');
    size = (await stat(logOf(bridge))).size;
  }

  expect((await ingest(bridge)).exitCode).toBe(0);

  await expectWholeLog(bridge);
});

test('the record is written although nobody is left to hear of it', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, 1);
  const child = spawn(join(bridge.repoPath, 'hooks', 'post-receive'), {
    ...hookOptions(bridge),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  child.stdin?.end(MAIN_MOVED);
  child.stderr?.destroy();

  await once(child, 'exit');

  await expectWholeLog(bridge);
});

const COUNT = IS_FULL_LENGTH ? 5_000 : 1_200;

test(`${COUNT} answers, of more than 20 MB, are taken in by a hook that has 24 MB of heap`, async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answerSilently(bridge, COUNT, (index) => `${index} ${'a'.repeat(21_000_000 / COUNT)}`);
  const hook = fileURLToPath(new URL('../../../dist/hooks/post-receive.cjs', import.meta.url));

  const { stderr } = await runProcess(
    process.execPath,
    ['--max-old-space-size=24', hook],
    hookOptions(bridge),
  );

  expect(stderr).toBe(`llm-bridge: ${COUNT} answers logged, the last as no. ${COUNT}\n`);
});

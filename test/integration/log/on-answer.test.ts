import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { unless } from '../../../src/process/durable-file.js';
import { tryKernelLock } from '../../../src/process/file-lock.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P24, P25, P26

const folderOf = (bridge: PlainBridge) => join(bridge.repoPath, 'bridge', 'on-answer.d');

/** A bridge whose executables are tried again after a second. */
async function startBridge(hooks: 'here' | 'started' = 'here'): Promise<PlainBridge> {
  const bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' }, hooks });
  await config(bridge, 'bridge.onAnswerRetry', '1s');
  // Whatever still waits for something that fails leaves once there is nothing to run any more.
  onCleanup(async () => {
    await rm(folderOf(bridge), { recursive: true, force: true });
    await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  });
  return bridge;
}

function config(bridge: PlainBridge, key: string, value: string): Promise<string> {
  return gitOk(['config', key, value], { gitDir: bridge.repoPath, env: bridge.env });
}

/** Installs an executable. `$DIR` in the script is the folder of the test. */
async function install(bridge: PlainBridge, name: string, script: string, mode = 0o755): Promise<void> {
  const file = join(folderOf(bridge), name);
  await writeFile(`${bridge.dir}/draft`, `#!/bin/sh\nDIR='${bridge.dir}'\n${script}\n`);
  await chmod(`${bridge.dir}/draft`, mode);
  await rename(`${bridge.dir}/draft`, file);
}

/** Asks and answers once in a push of the owner: each push starts a dispatcher. */
async function exchange(bridge: PlainBridge, prompt: string): Promise<void> {
  const asked = await bridge.writer.ask(await bridge.tip(), prompt, { author: 'bot' });
  const answer = anAnswer(asked, prompt, { answer: `answer to ${prompt}` });
  await bridge.pushOk(await bridge.writer.answer(asked, answer, { author: 'home-pc' }));
}

/** The same through two pushes, as the keys do. */
async function exchangeByKeys(bridge: PlainBridge, prompt: string): Promise<void> {
  const asked = await bridge.writer.ask(await bridge.tip(), prompt, { author: 'bot' });
  await bridge.pushOk(asked, 'bot');
  const answer = anAnswer(asked, prompt, { answer: `answer to ${prompt}` });
  await bridge.pushOk(await bridge.writer.answer(asked, answer, { author: 'home-pc' }), 'home-pc');
}

async function read(bridge: PlainBridge, name: string): Promise<string> {
  return readFile(join(bridge.dir, name), 'utf8').catch(() => '');
}

/** The numbers of the records that a script appended to a file. */
async function numbers(bridge: PlainBridge, name: string): Promise<number[]> {
  const lines = (await read(bridge, name)).split('\n').slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
}

async function expectNumbers(bridge: PlainBridge, name: string, expected: number[]): Promise<void> {
  const wanted = JSON.stringify(expected);
  await waitUntil(
    async () => JSON.stringify(await numbers(bridge, name)) === wanted,
    `${wanted} in ${name}`,
  ).catch(async (error: unknown) => {
    expect(await numbers(bridge, name), String(error)).toEqual(expected);
  });
}

async function ingest(bridge: PlainBridge): Promise<void> {
  const done = await runCli(['ingest', '--repo', bridge.repoPath], { env: bridge.env });
  expect(done.exitCode, done.stderr).toBe(0);
}

/** What a dispatcher keeps of an executable; empty before its first record. */
const stateOf = (bridge: PlainBridge, name: string) =>
  readFile(join(bridge.repoPath, 'bridge', 'on-answer.state', `${name}.json`), 'utf8').catch(() => '');

interface Report {
  readonly name: string;
  readonly state: string;
  readonly last_seq: number | null;
  readonly failures: number;
  readonly reason: string | null;
  readonly set_aside: readonly { readonly seq: number }[];
}

async function status(bridge: PlainBridge): Promise<{ reports: Report[]; text: string }> {
  const options = { env: bridge.env };
  const { stdout } = await runCliHere(['status', '--json', '--repo', bridge.repoPath], options);
  const { stdout: text } = await runCliHere(['status', '--repo', bridge.repoPath], options);
  return { reports: (JSON.parse(stdout) as { on_answer: Report[] }).on_answer, text };
}

const lockOf = (bridge: PlainBridge) => join(bridge.repoPath, 'bridge', 'on-answer.lock');

/**
 * Whether a dispatcher is at work. One that was just started may not be yet. Only looks: a lock that the
 * test took for a moment would send a dispatcher away, and with it the record that it came for.
 */
async function isDispatching(bridge: PlainBridge): Promise<boolean> {
  const found = await stat(lockOf(bridge)).catch(unless('ENOENT'));
  if (found === null) return false;
  const locks = (await readFile('/proc/locks', 'utf8')).split('\n');
  return locks.some((line) => line.includes(' FLOCK ') && line.includes(`:${found.ino} `));
}

test('each record goes to each executable, as its line stands in the log, in order', async () => {
  const bridge = await startBridge();
  await install(bridge, 'one', 'cat >> "$DIR/one"');
  await install(bridge, 'two', 'cat >> "$DIR/two"');

  for (const prompt of ['a', 'b', 'ц\n"c"']) await exchangeByKeys(bridge, prompt);

  await expectNumbers(bridge, 'one', [1, 2, 3]);
  await expectNumbers(bridge, 'two', [1, 2, 3]);
  expect(await read(bridge, 'one')).toBe(await bridge.readLog());
  expect(JSON.parse((await read(bridge, 'one')).split('\n')[0] ?? '')).toMatchObject({
    asker: 'bot',
    asked_at: expect.stringMatching(/\.000Z$/),
  });
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  const { reports, text } = await status(bridge);
  expect(reports).toMatchObject([
    { name: 'one', state: 'ok', last_seq: 3, failures: 0, reason: null },
    { name: 'two', state: 'ok', last_seq: 3 },
  ]);
  expect(text).toContain('  on-answer one: ok\n');
});

test('an executable runs in the bridge, with an environment that says nothing of who pushed', async () => {
  const bridge = await startBridge('started');
  await install(
    bridge,
    'look',
    'cat > /dev/null; pwd > "$DIR/pwd"; env | cut -d= -f1 | sort > "$DIR/env.new"; mv "$DIR/env.new" "$DIR/env"',
  );

  await exchange(bridge, 'a');

  const names = (await waitUntil(async () => (await read(bridge, 'env')) || null, 'the environment')).split(
    '\n',
  );
  const own = [
    'HOME',
    'LANG',
    'LC_ALL',
    'LC_CTYPE',
    'LLM_BRIDGE_REPO',
    'LOGNAME',
    'PATH',
    'SHELL',
    'TMPDIR',
    'TZ',
    'USER',
  ];
  const ofTheShell = ['OLDPWD', 'PWD', 'SHLVL', '_', ''];
  expect(names.filter((name) => ![...own, ...ofTheShell].includes(name))).toEqual([]);
  expect(names).toContain('LLM_BRIDGE_REPO');
  expect((await read(bridge, 'pwd')).trim()).toBe(bridge.repoPath);
});

test('a new executable begins with what comes after it, also where the dispatcher first sees it later', async () => {
  const bridge = await startBridge();
  await exchange(bridge, 'a');
  await exchange(bridge, 'b');
  await install(bridge, 'late', 'cat >> "$DIR/late"', 0o644);
  await exchange(bridge, 'c');
  expect((await status(bridge)).reports).toEqual([]);
  // A dispatcher of "c" that comes as late as this would see the new one before anybody looks at it.
  const lock = await waitUntil(async () => {
    const taken = await tryKernelLock(lockOf(bridge));
    return taken.status === 'taken' && taken;
  }, 'the lock of the dispatcher');
  await chmod(join(folderOf(bridge), 'late'), 0o755);
  expect((await status(bridge)).reports).toMatchObject([{ name: 'late', state: 'new', last_seq: null }]);
  await lock.release();
  await exchange(bridge, 'd');

  await expectNumbers(bridge, 'late', [4]);
});

test('a dispatcher that dies between the run and its memory of it gives the same record again, by the same number', async () => {
  const bridge = await startBridge();
  await install(
    bridge,
    'kill',
    'cat >> "$DIR/kill"; mkdir "$DIR/killed" 2>/dev/null && kill -9 "$PPID"; exit 0',
  );
  await exchange(bridge, 'a');
  // The dispatcher of the question may come late, and then it is the one that gives the record again.
  await waitUntil(async () => (await numbers(bridge, 'kill')).length > 0, 'a run');
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher died');

  await ingest(bridge);

  await expectNumbers(bridge, 'kill', [1, 1]);
  await exchange(bridge, 'b');
  await expectNumbers(bridge, 'kill', [1, 1, 2]);
});

test('one that fails is tried again until it takes the record, in order, and the others go on', async () => {
  const bridge = await startBridge();
  await install(
    bridge,
    'bad',
    'test -e "$DIR/mended" || { echo "no network" >&2; echo x >> "$DIR/tries"; exit 3; }; cat >> "$DIR/bad"',
  );
  await install(bridge, 'good', 'cat >> "$DIR/good"');
  await exchange(bridge, 'a');
  await exchange(bridge, 'b');

  await expectNumbers(bridge, 'good', [1, 2]);
  // A slow machine may have come to the third before anybody looks.
  await waitUntil(async () => (await read(bridge, 'tries'))?.startsWith('x\nx\n'), 'two tries');
  const { reports, text } = await status(bridge);
  expect(reports).toMatchObject([
    { name: 'bad', state: 'failing', last_seq: 0, reason: 'exit code 3: no network' },
    { name: 'good', state: 'ok', last_seq: 2 },
  ]);
  expect(reports[0]?.failures).toBeGreaterThanOrEqual(1);
  expect(text).toMatch(
    /on-answer bad failed.* \(exit code 3: no network\), 2 not delivered yet, again at 2\S+Z\n/,
  );
  expect(await numbers(bridge, 'bad')).toEqual([]);

  // No push and no ingest from here on: the dispatcher that waits does it.
  await writeFile(join(bridge.dir, 'mended'), '');
  await expectNumbers(bridge, 'bad', [1, 2]);
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  expect((await status(bridge)).reports[0]).toMatchObject({ state: 'ok', last_seq: 2, reason: null });
});

test('a dispatcher that was killed while one failed is followed by the one that ingest starts', async () => {
  const bridge = await startBridge();
  await install(
    bridge,
    'bad',
    'test -e "$DIR/mended" || { echo $PPID > "$DIR/pid.new"; mv "$DIR/pid.new" "$DIR/pid"; exit 1; }; cat >> "$DIR/bad"',
  );
  await exchange(bridge, 'a');
  await waitUntil(() => read(bridge, 'pid').then((pid) => pid !== ''), 'a try');
  // Each push starts one, and one that comes late goes on where this one is killed.
  const killed = new Set<number>();
  await waitUntil(async () => {
    const pid = Number(await read(bridge, 'pid'));
    if (!killed.has(pid)) process.kill(pid, 'SIGKILL');
    killed.add(pid);
    return !(await isDispatching(bridge));
  }, 'every dispatcher died');
  await writeFile(join(bridge.dir, 'mended'), '');

  await ingest(bridge);

  await expectNumbers(bridge, 'bad', [1]);
});

test('what was rotated away while one failed is delivered from the rotated files, compressed or not', async () => {
  const bridge = await startBridge();
  const log = join(bridge.repoPath, 'bridge', 'answers.log');
  await install(bridge, 'bad', 'test -e "$DIR/mended" || exit 1; cat >> "$DIR/bad"');
  await exchange(bridge, 'a');
  await exchange(bridge, 'b');
  await writeFile(`${log}.2.gz`, gzipSync(await readFile(log)));
  await rm(log);
  await exchange(bridge, 'c');
  await rename(log, `${log}.1`);
  await exchange(bridge, 'd');

  await writeFile(join(bridge.dir, 'mended'), '');

  await expectNumbers(bridge, 'bad', [1, 2, 3, 4]);
});

test('a push does not wait for an executable that hangs, nor do the others', async () => {
  const bridge = await startBridge();
  await runProcess('mkfifo', [join(bridge.dir, 'gate')], { env: bridge.env });
  // Opening the pipe blocks until the test opens it too.
  await install(bridge, 'slow', 'read -r go < "$DIR/gate"; cat >> "$DIR/slow"');
  await install(bridge, 'quick', 'cat >> "$DIR/quick"');

  await exchange(bridge, 'a');
  await expectNumbers(bridge, 'quick', [1]);
  await exchange(bridge, 'b');
  await expectNumbers(bridge, 'quick', [1, 2]);

  expect(await numbers(bridge, 'slow')).toEqual([]);
  for (const count of [1, 2]) {
    await writeFile(join(bridge.dir, 'gate'), 'go\n');
    await expectNumbers(bridge, 'slow', [1, 2].slice(0, count));
  }
});

test('one that takes too long is ended with all it started, and counts as failed', async () => {
  const bridge = await startBridge();
  await config(bridge, 'bridge.onAnswerTimeout', '1s');
  await install(
    bridge,
    'hang',
    '(trap "" TERM; exec sleep 1000) & echo "$!" > "$DIR/pid.new"; mv "$DIR/pid.new" "$DIR/pid"; echo still here; wait',
  );
  await exchange(bridge, 'a');

  await waitUntil(async () => (await stateOf(bridge, 'hang')).includes('longer than'), 'a failure');

  const { reports } = await status(bridge);
  expect(reports).toMatchObject([
    { name: 'hang', state: 'failing', reason: 'took longer than 1 s: still here' },
  ]);
  const pid = Number((await read(bridge, 'pid')).trim());
  await waitUntil(() => isGone(pid), 'its child ended');
});

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

test('what others can write to, or has another name than run-parts takes, is not run, and status says why', async () => {
  const bridge = await startBridge();
  await install(bridge, 'open', 'cat >> "$DIR/open"', 0o775);
  await install(bridge, 'script.sh', 'cat >> "$DIR/script"');
  await install(bridge, 'kept~', 'cat >> "$DIR/kept"');
  await install(bridge, 'right', 'cat >> "$DIR/right"');
  await mkdir(join(folderOf(bridge), 'folder'));
  await exchange(bridge, 'a');

  await expectNumbers(bridge, 'right', [1]);
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  const { reports, text } = await status(bridge);
  expect(reports).toMatchObject([
    { name: 'open', state: 'refused', reason: expect.stringContaining('chmod go-w') },
    { name: 'right', state: 'ok' },
    { name: 'script.sh', state: 'refused', reason: expect.stringContaining('letters, digits') },
  ]);
  expect(text).toContain('on-answer open is not run: can be written by others');
  expect((await readdir(bridge.dir)).filter((name) => ['open', 'script', 'kept'].includes(name))).toEqual([]);

  // One that others could exchange between the look at it and its start.
  await mkdir(join(bridge.dir, 'shared'));
  await chmod(join(bridge.dir, 'shared'), 0o777);
  await rename(join(folderOf(bridge), 'right'), join(bridge.dir, 'shared', 'right'));
  await symlink(join(bridge.dir, 'shared', 'right'), join(folderOf(bridge), 'right'));
  await exchange(bridge, 'b');
  const linked = (await status(bridge)).reports[1];
  expect(linked).toMatchObject({
    name: 'right',
    state: 'refused',
    reason: expect.stringContaining('shared'),
  });
  await chmod(join(bridge.dir, 'shared'), 0o755);
  await ingest(bridge);
  await expectNumbers(bridge, 'right', [1, 2]);

  await chmod(folderOf(bridge), 0o777);
  await exchange(bridge, 'c');
  expect((await status(bridge)).reports[1]).toMatchObject({ name: 'right', state: 'refused' });
  await ingest(bridge);
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  expect(await numbers(bridge, 'right')).toEqual([1, 2]);
});

test('what others have put in the place of the log is given to nobody', async () => {
  const bridge = await startBridge();
  const folder = join(bridge.dir, 'logs');
  const log = join(folder, 'answers.log');
  await mkdir(folder);
  await config(bridge, 'bridge.answersLog', log);
  await install(bridge, 'one', 'cat >> "$DIR/one"');
  await exchange(bridge, 'a');
  await expectNumbers(bridge, 'one', [1]);
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');

  await chmod(folder, 0o777);
  const first = await readFile(log, 'utf8');
  await writeFile(log, first + first.replace('"seq":1', '"seq":2').replace('answer to a', 'planted'));
  await exchange(bridge, 'b');
  const refused = async () => (await stateOf(bridge, 'one')).includes('others could put a file in its place');
  await waitUntil(refused, 'the reason in the state');
  const asked = await runCliHere(['status', '--repo', bridge.repoPath], { env: bridge.env });
  expect(asked).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('try: chmod go-w') });
  expect(await numbers(bridge, 'one')).toEqual([1]);

  await chmod(folder, 0o755);
  await writeFile(log, first);
  await ingest(bridge);
  await expectNumbers(bridge, 'one', [1, 2]);
  expect(await read(bridge, 'one')).not.toContain('planted');
});

test('one that was taken away and put back starts with new answers', async () => {
  const bridge = await startBridge();
  await install(bridge, 'other', 'cat >> "$DIR/other"');
  await install(bridge, 'one', 'cat >> "$DIR/one"');
  await exchange(bridge, 'a');
  await expectNumbers(bridge, 'one', [1]);
  await rm(join(folderOf(bridge), 'one'));
  await exchange(bridge, 'b');
  await expectNumbers(bridge, 'other', [1, 2]);
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  await install(bridge, 'one', 'cat >> "$DIR/one"');

  await exchange(bridge, 'c');

  await expectNumbers(bridge, 'one', [1, 3]);
});

test('a record that it will never take is named by status and doctor, and ingest --again gives it once more', async () => {
  const bridge = await startBridge();
  await install(
    bridge,
    'picky',
    'test -e "$DIR/mended" || { echo "400 Bad Request" >&2; exit 65; }; cat >> "$DIR/picky"',
  );
  await exchange(bridge, 'a');
  await waitUntil(
    async () => (await stateOf(bridge, 'picky')).includes('exit code 65'),
    'it to be set aside',
  );
  await waitUntil(async () => !(await isDispatching(bridge)), 'the dispatcher ended');
  const { reports, text } = await status(bridge);
  expect(reports).toMatchObject([{ name: 'picky', state: 'ok', last_seq: 1, set_aside: [{ seq: 1 }] }]);
  expect(text).toContain(
    'it did not take no. 1 (exit code 65: 400 Bad Request); once it is mended: llm-bridge ingest --again picky',
  );
  const doctor = await runCli(['doctor', '--json', '--repo', bridge.repoPath], { env: bridge.env });
  expect(JSON.parse(doctor.stdout)).toContainEqual({
    check: 'on-answer',
    status: 'warning',
    text: 'picky did not take record no. 1 (exit code 65: 400 Bad Request)',
    remedy: expect.stringContaining('ingest --again picky'),
  });

  await writeFile(join(bridge.dir, 'mended'), '');
  const args = ['ingest', '--again', 'picky', '--repo', bridge.repoPath];
  const again = await runCli(args, { env: bridge.env });
  expect(again.exitCode, again.stderr).toBe(0);
  await expectNumbers(bridge, 'picky', [1]);
  await waitUntil(
    async () => (await status(bridge)).reports[0]?.set_aside.length === 0,
    'nothing to be left',
  );
});

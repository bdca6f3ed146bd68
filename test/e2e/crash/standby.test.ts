import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { faultEnv } from '../../support/dying-cli.js';
import { forcedPush } from '../../support/forced-push.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { ourLines, type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P5

/** How ssh-command starts the process that stands by. */
const START = '"$node" "$hook"';

let bridge: PlainBridge;
let asked = 0;

beforeEach(async () => {
  // The questions are pushed by a path, which is not what this is about; the answers through the forced
  // command.
  bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' }, hooks: 'here' });
  asked = 0;
});

/**
 * Pushes through the forced command. The process that stood by for the push before may still be ending, and
 * while it holds the lock no other one stands by.
 */
async function push(commit: string, as: string): Promise<RunResult> {
  const lock = ['-n', join(bridge.repoPath, 'bridge'), 'true'];
  const isFree = async () => (await runProcess('flock', lock, { env: bridge.env })).exitCode === 0;
  await waitUntil(isFree, 'the end of the process that stood by before');
  return await forcedPush(bridge, commit, as);
}

/** Asks, and pushes the answer as the agent; answers what that push said. */
async function answer(): Promise<{ stderr: string }> {
  const result = await push(await anAnswered(), 'home-pc');
  expect(result.exitCode, result.stderr).toBe(0);
  return result;
}

/** A task on main, and a commit that answers it. */
async function anAnswered(): Promise<string> {
  const question = `${asked}+1`;
  asked += 1;
  const task = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), question));
  return bridge.writer.answer(task, anAnswer(task, question), { author: 'home-pc' });
}

/** The bytecode of the process. */
const code = () => join(bridge.repoPath, 'bridge', 'standby.code');

/**
 * What the first line of kept code says of the version of node and the file of the program, without its time
 * of change: a test beside this one may link the files of the build, which changes that.
 */
const fileOf = (kept: Buffer) => kept.toString('latin1', 0, 100).split(' ').slice(0, 4).join(' ');

const records = async () => (await bridge.readLog()).split('\n').length - 1;

/** Changes an installed file; the text has to be in it. */
async function edit(file: string, from: string | RegExp, to: string): Promise<void> {
  const path = join(bridge.repoPath, file);
  const text = await readFile(path, 'utf8');
  const changed = text.replace(from, () => to);
  expect(changed).not.toBe(text);
  await writeFile(path, changed);
}

/** Has this program stand by in place of the real one. */
async function standIn(program: string): Promise<void> {
  const file = join(bridge.dir, 'stand-in.cjs');
  await writeFile(file, program);
  await edit('bridge/ssh-command', /^ *hook=.*$/m, `  hook=${file}`);
}

/** Each hook by itself fails where a process stands by. */
async function breakHooks(): Promise<void> {
  for (const hook of ['pre-receive', 'post-receive']) {
    const real = fileURLToPath(new URL(`../../../dist/hooks/${hook}.cjs`, import.meta.url));
    const file = join(bridge.dir, `broken-${hook}.cjs`);
    await writeFile(
      file,
      `if (process.env.LLM_BRIDGE_STANDBY === 'yes') {
        process.stderr.write("started by itself\\n");
        process.exit(1);
      }
      process.argv[1] = ${JSON.stringify(real)};
      require(process.argv[1]);`,
    );
    await edit(`hooks/${hook}`, /^hook=.*$/m, `hook=${file}`);
  }
}

/** It keeps its code when nobody waits for it any more. */
const codeKept = () =>
  waitUntil(
    () =>
      stat(code()).then(
        () => true,
        () => false,
      ),
    'the code of the process to be kept',
  );

/**
 * What lies in the folder of the bridge once the FIFOs of the last push are gone, which nobody waits for.
 */
const filesLeft = () =>
  waitUntil(async () => {
    const names = (await readdir(join(bridge.repoPath, 'bridge'))).sort();
    return names.some((name) => /^standby\..*\.(?:in|out)$/.test(name)) ? null : names;
  }, 'the end of the FIFOs');

test('a push through the forced command is judged and taken in by one process, which leaves nothing behind', async () => {
  await answer();
  await codeKept();
  const before = await filesLeft();
  const started = await anAnswered();
  await breakHooks();
  const result = await push(started, 'home-pc');
  expect(result.exitCode, result.stderr).toBe(0);
  expect(ourLines(result.stderr)).toEqual(['llm-bridge: answer logged as no. 2']);
  expect(await records()).toBe(2);
  expect(await filesLeft()).toEqual(before);
});

test('with its code kept, damaged, or of another program, it does the same', async () => {
  await answer();
  await codeKept();
  const kept = await readFile(code());
  expect((await stat(code())).mode & 0o777).toBe(0o600);
  await breakHooks();
  const spoilt = Buffer.from(kept);
  spoilt.fill(0xff, kept.length - 5000);
  for (const bytes of [kept, spoilt, kept.subarray(0, 1000), Buffer.alloc(0)]) {
    await writeFile(code(), bytes);
    const before = await records();
    await answer();
    expect(await records()).toBe(before + 1);
    await waitUntil(async () => fileOf(await readFile(code())) === fileOf(kept), 'its code');
  }
});

test('it goes by the settings that ssh-command has read, and reads them itself where those are not clear', async () => {
  await breakHooks();
  const limit = (bytes: string) =>
    gitOk(['config', 'bridge.maxAnswerBytes', bytes], { gitDir: bridge.repoPath, env: bridge.env });
  await limit('100');
  const refused = await push(await anAnswered(), 'home-pc');
  expect(ourLines(refused.stderr)).toEqual([expect.stringMatching(/refused \[limit\].*100/)]);
  await limit('1000000');
  await answer();
  await edit('bridge/ssh-command', 'LLM_BRIDGE_SETTINGS="$settings"', 'LLM_BRIDGE_SETTINGS=');
  await answer();
  await limit('100');
  const again = await push(await anAnswered(), 'home-pc');
  expect(ourLines(again.stderr)).toEqual([expect.stringMatching(/refused \[limit\].*100/)]);
});

test('while git is held up behind the verdict, it keeps nobody from the log for long, and the hook takes the answer in', async () => {
  const isFree = 'flock -n bridge/ingest.lock true && echo free >&2 || echo held >&2';
  const answered = await anAnswered();
  // It is asked no more, as where git waits for a pusher who does not listen.
  await edit('hooks/post-receive', '\nnode=', `\nsleep 0.5; ${isFree}; sleep 3; ${isFree}\nnode=`);
  const result = await push(answered, 'home-pc');
  expect(result.exitCode, result.stderr).toBe(0);
  expect(result.stderr.match(/\b(?:free|held)\b/g)).toEqual(['held', 'free']);
  expect(ourLines(result.stderr)).toEqual(['llm-bridge: answer logged as no. 1']);
  expect(await records()).toBe(1);
});

test('a push is refused in the same words, whether or not a process stands by', async () => {
  const commit = await anAnswered();
  const withIt = await push(commit, 'bot');
  await edit('bridge/ssh-command', START, 'false');
  const without = await push(commit, 'bot');
  expect(withIt.exitCode).not.toBe(0);
  expect(ourLines(withIt.stderr)).toEqual([
    expect.stringMatching(/refused \[role\]: bot, refs\/heads\/main: /),
  ]);
  expect(ourLines(without.stderr)).toEqual(ourLines(withIt.stderr));
});

test('killed before any step, it keeps no push from being judged and taken in, once', async () => {
  const steps = join(bridge.dir, 'steps');
  const { NODE_OPTIONS: preload = '', ...fault } = faultEnv(steps, 0, 'dies', 'standby');
  const words = Object.entries(fault).map(([name, value]) => `${name}='${value}'`);
  const taken = async () => (await readFile(steps, 'utf8').catch(() => '')).split('\n').length - 1;
  // The first makes the log.
  await answer();
  await codeKept();
  await rm(code());
  await edit('bridge/ssh-command', START, `env ${words.join(' ')} "$node" ${preload} "$hook"`);
  await answer();
  await codeKept();
  const total = await taken();
  // The lock, the log, and its code, which every run makes that is killed before.
  expect(total).toBeGreaterThan(5);
  await rm(code());
  for (let at = 1; at <= total; at++) {
    await writeFile(steps, '');
    await edit('bridge/ssh-command', /FAULT_AT='[0-9]+'/, `FAULT_AT='${at}'`);
    const { stderr } = await answer();
    await waitUntil(async () => (await taken()) >= at, `step ${at}`);
    expect(await records(), stderr).toBe(at + 2);
  }
  await edit('bridge/ssh-command', /FAULT_AT='[0-9]+'/, `FAULT_AT='0'`);
  await answer();
  await codeKept();
  const verified = await runCli(['verify', '--repo', bridge.repoPath], { env: bridge.env });
  expect(verified.exitCode, verified.stderr).toBe(0);
});

test.each([
  ['that does not start', 'process.exit(1);'],
  ['that hangs up at the question', 'process.stdin.once("data", () => process.exit(0));'],
  ['that says what is no answer', 'process.stdin.once("data", () => console.log("maybe"));'],
  ['that says half of a refusal', 'process.stdin.once("data", () => process.stdout.write("n"));'],
])('a process %s is as good as none', async (_what, program) => {
  await standIn(`${program} setTimeout(() => process.exit(), 200);`);
  await answer();
  expect(await records()).toBe(1);
  const refused = await push(await anAnswered(), 'bot');
  expect(ourLines(refused.stderr)).toEqual([expect.stringContaining('refused [role]')]);
});

test('one that dies when it has let a push in leaves the taking in to the hook', async () => {
  await standIn('process.stdin.once("data", () => process.stdout.write("yes\\n", () => process.exit(0)));');
  const { stderr } = await answer();
  expect(ourLines(stderr)).toEqual(['llm-bridge: answer logged as no. 1']);
  expect(await records()).toBe(1);
});

test('while one stands by, a second push goes without', async () => {
  const holder = spawn('flock', ['-n', join(bridge.repoPath, 'bridge'), 'sh', '-c', 'echo held; cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onCleanup(() => void holder.stdin.end());
  await once(holder.stdout, 'data');
  const commit = await anAnswered();
  await breakHooks();
  const result = await forcedPush(bridge, commit, 'home-pc');
  expect(result.stderr).toContain('started by itself');
  expect(result.exitCode).not.toBe(0);
});

test('a hook that was told less than all of a push lets nothing in', async () => {
  const program =
    /^hook=(.*)$/m.exec(await readFile(join(bridge.repoPath, 'hooks', 'pre-receive'), 'utf8'))?.[1] ?? '';
  const line = `+${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main`;
  for (const input of ['', `${line}\n`, `${line}\n.`, `${line.slice(1)}\n.\n`]) {
    const result = await runProcess(process.execPath, [program, 'framed'], {
      env: bridge.env,
      cwd: bridge.repoPath,
      input,
    });
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('the whole push') });
  }
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { faultEnv } from '../../support/dying-cli.js';
import { forcedPush } from '../../support/forced-push.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { ourLines, type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';

/** How ssh-command starts the process that stands by. */
const START = '"$node" "$hook"';

let bridge: PlainBridge;
let asked = 0;

beforeEach(async () => {
  bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' } });
  asked = 0;
});

/** Asks, and pushes the answer as the agent; answers what that push said. */
async function answer(): Promise<{ stderr: string }> {
  const result = await forcedPush(bridge, await anAnswered(), 'home-pc');
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

/** Each hook by itself fails. */
async function breakHooks(): Promise<void> {
  const file = join(bridge.dir, 'broken.cjs');
  await writeFile(file, 'process.stderr.write("started by itself\\n"); process.exit(1);');
  for (const hook of ['pre-receive', 'post-receive'])
    await edit(`hooks/${hook}`, /^hook=.*$/m, `hook=${file}`);
}

test('a push through the forced command is judged and taken in by one process, which leaves nothing behind', async () => {
  await answer();
  const before = (await readdir(join(bridge.repoPath, 'bridge'))).sort();
  const started = await anAnswered();
  await breakHooks();
  const result = await forcedPush(bridge, started, 'home-pc');
  expect(result.exitCode, result.stderr).toBe(0);
  expect(ourLines(result.stderr)).toEqual(['llm-bridge: answer logged as no. 2']);
  expect(await records()).toBe(2);
  expect((await readdir(join(bridge.repoPath, 'bridge'))).sort()).toEqual(before);
});

test('a push is refused in the same words, whether or not a process stands by', async () => {
  const commit = await anAnswered();
  const withIt = await forcedPush(bridge, commit, 'bot');
  await edit('bridge/ssh-command', START, 'false');
  const without = await forcedPush(bridge, commit, 'bot');
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
  await edit('bridge/ssh-command', START, `env ${words.join(' ')} "$node" ${preload} "$hook"`);
  const taken = async () => (await readFile(steps, 'utf8').catch(() => '')).split('\n').length - 1;
  await answer();
  const total = await taken();
  // Its settings, its reader, the walk; the lock, the log, the walk, the reader.
  expect(total).toBeGreaterThan(5);
  for (let at = 1; at <= total; at++) {
    await writeFile(steps, '');
    await edit('bridge/ssh-command', /FAULT_AT='[0-9]+'/, `FAULT_AT='${at}'`);
    const { stderr } = await answer();
    expect(await taken(), `step ${at}`).toBeGreaterThanOrEqual(at);
    expect(await records(), stderr).toBe(at + 1);
  }
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
  const refused = await forcedPush(bridge, await anAnswered(), 'bot');
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

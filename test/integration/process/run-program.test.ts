import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { listProcesses } from '../../../src/process/process-table.js';
import { runProgram } from '../../../src/process/run-program.js';
import type { Command } from '../../../src/process/start-program.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const { env } = process;
let dir: string;

beforeEach(async () => {
  dir = await tempDir();
});

/** A shell that has started a helper and written both pids down; then it does what `script` says. */
function withHelper(script: string, helper = 'sleep 600'): Command {
  const text = `(${helper}) & echo "$$ $!" >'${dir}/new'; mv '${dir}/new' '${dir}/pids'; ${script}`;
  return ['sh', '-c', text];
}

async function pids(): Promise<number[]> {
  const read = () => readFile(join(dir, 'pids'), 'utf8').catch(() => null);
  const found = (await waitUntil(read, 'the start of the program')).trim().split(' ').map(Number);
  onCleanup(() => {
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
  });
  return found;
}

/** Those of the processes that run. One that has ended may wait for its parent to notice. */
async function alive(some: readonly number[]): Promise<number[]> {
  const table = await listProcesses();
  return some.filter((pid) => table.some((entry) => entry.pid === pid));
}

async function untilEnded(some: readonly number[]): Promise<void> {
  await waitUntil(async () => (await alive(some)).length === 0, 'the end of all of them');
}

test('bytes go in and come out as they are, and an exit code is a result', async () => {
  const input = Buffer.from([0, 255, 10, 13, 128]);
  const result = await runProgram(['sh', '-c', 'cat; echo err >&2; exit 3'], { env, input });
  expect(result).toEqual({ exitCode: 3, killedBy: null, endedFor: null, stdout: input, stderr: 'err\n' });
});

test('a program has an empty input where none is given, and need not read what is given', async () => {
  expect((await runProgram(['cat'], { env })).stdout.length).toBe(0);
  expect((await runProgram(['true'], { env, input: Buffer.alloc(4_000_000) })).exitCode).toBe(0);
});

test('a program that something else killed has no exit code but a signal', async () => {
  const result = await runProgram(['sh', '-c', 'kill -KILL $$'], { env });
  expect(result).toMatchObject({ exitCode: null, killedBy: 'SIGKILL', endedFor: null });
});

test('a program that cannot be started is an error', async () => {
  await expect(runProgram([join(dir, 'nowhere')], { env })).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(
    runProgram(['true'], { env, cwd: join(dir, 'nowhere'), timeoutMs: 60_000 }),
  ).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a program that takes too long is ended with all that it has started', async () => {
  const result = await runProgram(withHelper('echo said; wait'), { env, timeoutMs: 1500 });
  expect(result).toMatchObject({ exitCode: null, killedBy: 'SIGTERM', endedFor: 'time' });
  expect(result.stdout.toString()).toBe('said\n');
  await untilEnded(await pids());
});

test('what does not end when it is told to is killed after a while, a helper that outlives its program as well', async () => {
  const deaf = `trap '' TERM; while :; do sleep 600; done`;
  const result = await runProgram(withHelper(deaf), { env, timeoutMs: 1500, graceMs: 100 });
  expect(result).toMatchObject({ killedBy: 'SIGKILL', endedFor: 'time' });
  const first = await pids();
  await untilEnded(first);

  await runProgram(withHelper('wait', deaf), { env, timeoutMs: 1500, graceMs: 60_000 });
  const [program = 0, helper = 0] = await pids();
  expect(program).not.toBe(first[0]);
  await untilEnded([helper]);
});

test('a program that is stopped is told to end all the same', async () => {
  const running = runProgram(withHelper('wait'), { env, timeoutMs: 500, graceMs: 60_000 });
  const [pid = 0] = await pids();
  process.kill(pid, 'SIGSTOP');
  expect(await running).toMatchObject({ killedBy: 'SIGTERM', endedFor: 'time' });
});

test('a program that is silent for too long is ended, one that talks is not', async () => {
  const talking = 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done';
  const talked = await runProgram(['sh', '-c', talking], { env, silenceMs: 1500 });
  expect(talked).toMatchObject({ exitCode: 0, endedFor: null });
  const silent = await runProgram(['sh', '-c', 'echo 1; exec sleep 600'], { env, silenceMs: 1500 });
  expect(silent).toMatchObject({ exitCode: null, endedFor: 'silence' });
  expect(silent.stdout.toString()).toBe('1\n');
});

test('an abort ends a program with all that it has started, and rejects with the reason', async () => {
  const controller = new AbortController();
  const running = runProgram(withHelper('wait'), { env, signal: controller.signal });
  running.catch(() => {});
  const started = await pids();
  controller.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  await untilEnded(started);
  await expect(
    runProgram(['sh', '-c', `touch '${dir}/second'`], { env, signal: controller.signal }),
  ).rejects.toThrow('enough');
  await expect(readFile(join(dir, 'second'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('of a program that floods us one end of what it says is kept, and it ends by itself', async () => {
  const flood: Command = ['sh', '-c', 'printf first; head -c 3000000 /dev/zero; printf last; exit 4'];
  const first = await runProgram(flood, { env, output: { maxBytes: 6 } });
  expect(first.exitCode).toBe(4);
  expect(first.stdout.toString()).toBe('first\0');
  const last = await runProgram(flood, { env, output: { maxBytes: 5, keep: 'last' } });
  expect(last.stdout.toString()).toBe('\0last');
});

test('both outputs of a program can be read as one', async () => {
  const command: Command = ['sh', '-c', 'echo out; sleep 0.1; echo err >&2; sleep 0.1; echo out'];
  const { stdout } = await runProgram(command, { env, output: { merged: true } });
  expect(stdout.toString()).toBe('out\nerr\nout\n');
});

test('a child that was left behind holds nobody up where its output is not waited for', async () => {
  const result = await runProgram(withHelper('echo said'), { env, lastOutputMs: 100 });
  expect(result).toMatchObject({ exitCode: 0, endedFor: null });
  expect(result.stdout.toString()).toBe('said\n');
  // It is the business of whoever left it behind.
  const [, helper = 0] = await pids();
  expect(await alive([helper])).toEqual([helper]);
});

test('a detached program goes on when the one that started it is gone, and a failed start is silent', async () => {
  const module = fileURLToPath(new URL('../../../dist/process/start-program.js', import.meta.url));
  const go = join(dir, 'go');
  const script = `
    const { startDetached } = await import(${JSON.stringify(module)});
    const options = { env: process.env, cwd: ${JSON.stringify(dir)} };
    startDetached(['sh', '-c', 'while ! [ -e go ]; do sleep 0.05; done; ps -o sid= -p $$ >done'], options);
    startDetached([${JSON.stringify(join(dir, 'nowhere'))}], options);`;
  const starter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  expect(await once(starter, 'close')).toEqual([0, null]);
  await writeFile(go, '');
  await waitUntil(() => readFile(join(dir, 'done'), 'utf8').catch(() => null), 'the end of the program');
});

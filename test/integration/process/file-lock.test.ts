import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

const BUILT = fileURLToPath(new URL('../../../dist/process/file-lock.js', import.meta.url));

/** A program that runs `job` (text of an async function's body) under the lock. */
function script(lock: string, job: string): string[] {
  const text = `
    import { spawn } from 'node:child_process';
    import { readFile, writeFile } from 'node:fs/promises';
    import { withFileLock } from ${JSON.stringify(BUILT)};
    await withFileLock(${JSON.stringify(lock)}, async () => { ${job} });`;
  return ['--input-type=module', '-e', text];
}

/** Starts one that takes the lock, starts a child of its own, and keeps both. */
async function hold(
  lock: string,
  env: Record<string, string>,
): Promise<{ child: ChildProcess; inner: number }> {
  const job = `
    const inner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
    process.stdout.write(inner.pid + '\\n');
    await new Promise(() => setInterval(() => {}, 1e6));`;
  const child = spawn(process.execPath, script(lock, job), { env, stdio: ['ignore', 'pipe', 'inherit'] });
  onCleanup(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const inner = Number(line);
  onCleanup(() => void process.kill(inner, 'SIGKILL'));
  return { child, inner };
}

function add(lock: string, counter: string, env: Record<string, string>): Promise<RunResult> {
  const file = JSON.stringify(counter);
  const job = `
    const value = Number(await readFile(${file}, 'utf8'));
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile(${file}, String(value + 1));`;
  return runProcess(process.execPath, script(lock, job), { env });
}

test('a lock goes with its holder, killed as it may be, although a child of it lives on', async () => {
  const dir = await tempDir();
  const env = cleanEnv(dir);
  const lock = join(dir, 'lock');
  const counter = join(dir, 'counter');
  await writeFile(counter, '0');
  const { child, inner } = await hold(lock, env);
  const waiting = add(lock, counter, env);
  const probe = await runProcess('flock', ['-n', lock, 'true'], { env });
  expect(probe.exitCode).toBe(1);
  expect(await readFile(counter, 'utf8')).toBe('0');

  child.kill('SIGKILL');

  expect(await waiting).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await readFile(counter, 'utf8')).toBe('1');
  expect(process.kill(inner, 0)).toBe(true);
});

test.each([
  ['with flock', undefined],
  ['without flock in the PATH', '/nowhere'],
])('only one at a time is inside, %s', async (_what, path) => {
  const dir = await tempDir();
  const env = cleanEnv(dir, path === undefined ? {} : { PATH: path });
  const counter = join(dir, 'counter');
  await writeFile(counter, '0');

  const results = await Promise.all(Array.from({ length: 8 }, () => add(join(dir, 'lock'), counter, env)));

  expect(results.map(({ stderr }) => stderr).join('')).toBe('');
  expect(await readFile(counter, 'utf8')).toBe('8');
});

test('a lock that cannot be taken is an error of its own', async () => {
  const dir = await tempDir();
  const fake = join(dir, 'bin');

  await mkdir(fake);
  await writeFile(join(fake, 'flock'), '#!/bin/sh\nexit 71\n', { mode: 0o755 });

  const result = await runProcess(process.execPath, script(join(dir, 'lock'), "console.log('inside')"), {
    env: cleanEnv(dir, { PATH: `${fake}:${process.env.PATH}` }),
  });

  expect(result).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('exit code 71') });
});

test.each([
  ['with flock', undefined],
  ['without flock in the PATH', '/nowhere'],
])(
  'whoever only tries does not wait for one who holds the lock, and is let in behind it, %s',
  async (_what, path) => {
    const dir = await tempDir();
    const env = cleanEnv(dir, path === undefined ? {} : { PATH: path });
    // Both in one script, the second while the first is inside.
    const text = `
    import { tryFileLock } from ${JSON.stringify(BUILT)};
    const lock = ${JSON.stringify(join(dir, 'lock'))};
    const attempt = (job) => tryFileLock(lock, job);
    const said = [await attempt(async () => JSON.stringify(await attempt(async () => 'both')))];
    said.push(await attempt(async () => 'behind'));
    process.stdout.write(JSON.stringify(said));`;

    const result = await runProcess(process.execPath, ['--input-type=module', '-e', text], { env });

    expect(result.stderr).toBe('');
    expect(JSON.parse(result.stdout)).toEqual([
      { held: true, value: '{"held":false}' },
      { held: true, value: 'behind' },
    ]);
  },
);

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { startTied } from '../../../src/process/start-tied.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

let dir: string;
let leftOver: string;

beforeEach(async () => {
  dir = await tempDir();
  leftOver = join(dir, 'left-over');
  await mkdir(leftOver);
  await writeFile(join(leftOver, 'socket'), '');
});

/** A program that has started a helper, and that nothing but a signal ends. */
function forever(): [string, ...string[]] {
  const script = `sleep 600 & echo "$$ $!" >'${dir}/new'; mv '${dir}/new' '${dir}/pids'; wait`;
  return ['sh', '-c', script];
}

/** The pids of the program and of its helper, once it runs. */
async function started(): Promise<number[]> {
  const text = await waitUntil(
    () => readFile(join(dir, 'pids'), 'utf8').catch(() => null),
    'the start of the program',
  );
  return text.trim().split(' ').map(Number);
}

/** What is left of a process group. */
async function membersOf(group: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
      const [state, , groupOfIt] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(groupOfIt) === group && state !== 'Z' ? [Number(pid)] : [];
    }),
  );
  return all.flat();
}

test('a program has its own output and exit code, and nobody stays when it has ended by itself', async () => {
  const { child } = startTied(['sh', '-c', 'read x; echo "out $x"; echo err >&2; exit 7'], {
    env: process.env,
    leftOver,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  expect(await once(child, 'close')).toEqual([7, null]);
  expect([...said.split('\n')].sort()).toEqual(['', 'err', 'out ']);
  await waitUntil(async () => (await membersOf(child.pid ?? 0)).length === 0, 'the end of the keeper');
  // Its successor has the same folder.
  expect(await readdir(leftOver)).toEqual(['socket']);
});

test('there is one process beside a program, and the program is the one that was started', async () => {
  const { child, end } = startTied(forever(), { env: process.env });
  const pids = await started();
  expect(pids[0]).toBe(child.pid);
  expect(await membersOf(child.pid ?? 0)).toHaveLength(pids.length + 1);
  await end();
});

test('an end that is asked for takes the helpers along and leaves the folder', async () => {
  const { child, end } = startTied(forever(), { env: process.env, leftOver });
  await started();
  await Promise.all([end(), end()]);
  await waitUntil(async () => (await membersOf(child.pid ?? 0)).length === 0, 'the end of all of them');
  await end();
  expect(await readdir(leftOver)).toEqual(['socket']);
});

test('a program that is stopped ends when it is told to, and one that ignores it is killed', async () => {
  const { child, end } = startTied(['sh', '-c', `trap '' TERM; ${forever()[2]}`], { env: process.env });
  const [pid = 0] = await started();
  process.kill(pid, 'SIGSTOP');
  await end();
  await waitUntil(async () => (await membersOf(child.pid ?? 0)).length === 0, 'the end of all of them');
});

test('a program ends when the process that started it is killed, and its folder goes', async () => {
  const module = fileURLToPath(new URL('../../../dist/process/start-tied.js', import.meta.url));
  const script = `
    const { startTied } = await import(${JSON.stringify(module)});
    startTied(${JSON.stringify(forever())}, { env: process.env, leftOver: ${JSON.stringify(leftOver)} });
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  onCleanup(() => void starter.kill('SIGKILL'));
  const [pid = 0] = await started();

  starter.kill('SIGKILL');

  await waitUntil(async () => (await membersOf(pid)).length === 0, 'the end of all of them');
  expect(await readdir(dir)).not.toContain('left-over');
});

test('a program that cannot be started is told as the shell tells it', async () => {
  const { child } = startTied([join(dir, 'nowhere')], { env: process.env, leftOver });
  child.stdout?.resume();
  child.stderr?.resume();
  expect(await once(child, 'close')).toEqual([127, null]);
  expect(await readdir(leftOver)).toEqual(['socket']);
});

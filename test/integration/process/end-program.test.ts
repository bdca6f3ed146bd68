import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { endProgram, killGroup } from '../../../src/process/end-program.js';
import { spawnProgram } from '../../../src/process/start-program.js';
import { onCleanup } from '../../support/on-cleanup.js';

const GRACE_MS = 200;

/** What does not end at SIGTERM, and holds the output of the program open. */
const DEAF = '(trap "" TERM; echo ready; exec sleep 60) & wait';

/** Starts a program that leads a process group of its own, and waits until it runs. */
async function start(script: string): Promise<ChildProcess & { readonly pid: number }> {
  const options = { env: process.env, ownGroup: true };
  const child = spawnProgram(['sh', '-c', script], ['ignore', 'pipe', 'ignore'], options);
  const { pid, stdout } = child;
  if (pid === undefined || stdout === null) throw new Error('sh did not start');
  await once(stdout, 'data');
  stdout.resume();
  return child as ChildProcess & { readonly pid: number };
}

/** Another program, which leads a group of its own. */
function startStranger(): ChildProcess {
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
  onCleanup(() => void stranger.kill('SIGKILL'));
  return stranger;
}

/** As if the system had given the id of `ended` to another process. */
function giveId(ended: ChildProcess, { pid }: ChildProcess): void {
  Object.defineProperty(ended, 'pid', { value: pid });
}

test('what is left of the group of a program that has ended is killed once its time is over', async () => {
  const child = await start(DEAF);
  const closed = once(child, 'close');
  await endProgram(child, GRACE_MS);
  expect(child.signalCode).toBe('SIGTERM');
  expect(process.kill(-child.pid, 0)).toBe(true);
  await closed;
});

test.each([
  ['nothing is left of the group', 'echo ready; exec sleep 60'],
  ['something of the group is left', DEAF],
])(
  'whoever has the id of a program by the time of the kill is left alone, where %s',
  async (_what, script) => {
    const stranger = startStranger();
    const child = await start(script);
    const group = child.pid;
    child.once('exit', () => setImmediate(giveId, child, stranger));
    await endProgram(child, GRACE_MS);
    await sleep(GRACE_MS * 2);
    expect(hasEnded(stranger)).toBe(false);
    if (script === DEAF) process.kill(-group, 'SIGKILL');
  },
);

test('whoever has the id of a program that has ended is not killed for what that has left behind', async () => {
  const stranger = startStranger();
  const child = await start('echo ready');
  await once(child, 'close');
  giveId(child, stranger);
  killGroup(child);
  await sleep(GRACE_MS);
  expect(hasEnded(stranger)).toBe(false);
});

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

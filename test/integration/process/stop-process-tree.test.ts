import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { listProcesses } from '../../../src/process/process-table.js';
import { stopProcessTree } from '../../../src/process/stop-process-tree.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';

const STARTS_ANOTHER = 'setsid sleep 60 & echo $!; wait';

test('a program ends with what it has started in sessions of their own', async () => {
  const child = spawn('sh', ['-c', STARTS_ANOTHER], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [first] = await once(child.stdout, 'data');
  const inner = Number(String(first));
  expect(process.kill(inner, 0)).toBe(true);
  await stopProcessTree(child);
  await waitUntil(() => child.signalCode === 'SIGTERM', 'the end of the program is known');
  const left = (await listProcesses()).find(({ pid }) => pid === inner);
  expect(left).toBeUndefined();
});

test('where the program has ended, whoever has its id by now is left alone', async () => {
  const child = spawn('true', { stdio: 'ignore' });
  const killed = spawn('sleep', ['60'], { stdio: 'ignore' });
  killed.kill('SIGKILL');
  await Promise.all([once(child, 'exit'), once(killed, 'exit')]);
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
  onCleanup(() => void stranger.kill('SIGKILL'));
  for (const ended of [child, killed]) await stopProcessTree(withIdOf(ended, stranger));
  expect({ exitCode: stranger.exitCode, signalCode: stranger.signalCode }).toEqual({
    exitCode: null,
    signalCode: null,
  });
  expect(process.kill(stranger.pid ?? 0, 0)).toBe(true);
});

/** As if the system had given the id of `ended` to another process. */
function withIdOf(ended: ChildProcess, { pid }: ChildProcess): ChildProcess {
  return Object.defineProperty(ended, 'pid', { value: pid });
}

import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { onCleanup } from '../../support/on-cleanup.js';
import { IN_OWN_SESSION } from '../../support/own-session.js';
import { runProcess } from '../../support/run-process.js';

// As ssh-command does: a child in our group, and then `timeout`, which makes a group of its own; on a busy
// machine not within half a second.
const LEAVES_A_CHILD = 'sleep 1.5 & exec timeout 5 true';

/**
 * Runs `command` in a group of its own that has a stopped member, and says whether the kernel hung it up.
 */
async function isHungUp(command: string): Promise<boolean> {
  const script = `
    const { spawn, spawnSync } = require('node:child_process');
    process.on('SIGHUP', () => { process.stdout.write('hung up'); });
    const stopped = spawn('sleep', ['60']);
    process.kill(stopped.pid, 'SIGSTOP');
    spawnSync('sh', ['-c', process.argv[1]]);
    setTimeout(() => stopped.kill('SIGKILL'), 200);
  `;
  const child = spawn(process.execPath, ['-e', script, command], { detached: true });
  onCleanup(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return said !== '';
}

test.skipIf(process.platform !== 'linux')(
  'what becomes timeout with a child beside it hangs up a group with a stopped member, unless it has a session of its own',
  async () => {
    expect(await isHungUp(`${LEAVES_A_CHILD}`)).toBe(true);
    expect(await isHungUp(`exec ${IN_OWN_SESSION}sh -c '${LEAVES_A_CHILD}'`)).toBe(false);
  },
);

test.skipIf(process.platform === 'win32')('a process that runs in its own session leads it', async () => {
  const told = await runProcess('sh', ['-c', 'ps -o pid= -o pgid= -p $$'], {
    env: process.env,
    ownSession: true,
  });
  const [pid, group] = told.stdout.trim().split(/\s+/);
  expect(group).toBe(pid);
});

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startDemoAgent } from '../../../src/demo/demo-program.js';
import { isRunning } from '../../../src/process/is-running.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

test('the agent of a demo that does not end in its time is killed, so that Ctrl-C leaves nothing behind', async () => {
  const dir = await tempDir();
  const [script, pidFile] = [join(dir, 'agent.sh'), join(dir, 'pid')];
  await writeFile(script, `trap '' TERM; echo $$ >${pidFile}; while :; do sleep 600; done\n`);
  const agent = startDemoAgent(['sh', script], [], process.env, 1);
  const pid = Number(
    await waitUntil(
      async () => (await readFile(pidFile, 'utf8').catch(() => '')).trim() || null,
      'its start',
    ),
  );
  expect(isRunning(pid)).toBe(true);
  await agent.stop();
  expect(isRunning(pid)).toBe(false);
});

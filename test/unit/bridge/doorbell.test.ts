import { appendFile, chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/bridge/address.js';
import { type Doorbell, openLocalDoorbell, openSshDoorbell } from '../../../src/bridge/doorbell.js';
import { createNotifier } from '../../../src/bridge/notifier.js';
import { sshCommandOf } from '../../../src/bridge/ssh-settings.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';

const LONG_MS = 15_000;

test('every update of main rings, and so it does after the reflog was rewritten', async () => {
  const repo = await bareBridge();
  const notifier = createNotifier();
  const doorbell = openLocalDoorbell(repo.gitDir, notifier);
  onCleanup(() => doorbell.close());
  // It rings once when it is watching, because something may have been missed before.
  expect(await notifier.wait(LONG_MS)).toBe('rung');
  expect(doorbell.connected()).toBe(true);
  const root = await repo.git(['rev-parse', 'main']);
  let tip = root;
  const move = async () => {
    tip = await repo.git(['commit-tree', `${root}^{tree}`, '-p', tip, '-m', 'next']);
    await repo.git(['update-ref', 'refs/heads/main', tip]);
  };
  for (let at = 0; at < 3; at++) {
    await move();
    expect(await notifier.wait(LONG_MS)).toBe('rung');
  }
  const reflog = path.join(repo.gitDir, 'logs', 'HEAD');
  await writeFile(`${reflog}.lock`, await readFile(reflog));
  await rename(`${reflog}.lock`, reflog);
  expect(await notifier.wait(LONG_MS)).toBe('rung');
  await move();
  expect(await notifier.wait(LONG_MS)).toBe('rung');
});

/** A doorbell over an `ssh` that is this script. */
async function doorbellOver(
  script: string,
): Promise<{ doorbell: Doorbell; notifier: ReturnType<typeof createNotifier>; dir: string }> {
  const dir = await tempDir();
  await mkdir(path.join(dir, 'bin'));
  const program = path.join(dir, 'bin', 'ssh');
  await writeFile(program, `#!/bin/sh\ncd '${dir}'\n${script}\n`);
  await chmod(program, 0o755);
  const env = { ...cleanEnv(dir), GIT_SSH_COMMAND: `"${program}"` };
  const address = parseAddress('server:b.git');
  if (address.kind !== 'ssh') throw new Error('not over ssh');
  const notifier = createNotifier();
  const doorbell = openSshDoorbell({ address, ssh: await sshCommandOf(env, {}), env }, notifier);
  onCleanup(() => doorbell.close());
  return { doorbell, notifier, dir };
}

test('over ssh every line rings', async () => {
  const { doorbell, notifier, dir } = await doorbellOver('touch lines; exec tail -n 1 -F lines');
  expect(doorbell.connected()).toBe(false);
  for (const line of ['one', 'two']) {
    await appendFile(path.join(dir, 'lines'), `${line}\n`);
    expect(await notifier.wait(LONG_MS)).toBe('rung');
    expect(doorbell.connected()).toBe(true);
  }
});

test('a connection that breaks rings, and is made again', async () => {
  const { notifier, dir } = await doorbellOver('echo start >>starts; echo line');
  for (let at = 0; at < 3; at++) expect(await notifier.wait(LONG_MS)).toBe('rung');
  expect((await readFile(path.join(dir, 'starts'), 'utf8')).split('\n').length).toBeGreaterThan(1);
});

test('closing ends ssh and does not wait for what ssh has started', async () => {
  const { doorbell, notifier, dir } = await doorbellOver('sleep 30 & echo $$ >pid; echo line; wait');
  expect(await notifier.wait(LONG_MS)).toBe('rung');
  const pid = Number(await readFile(path.join(dir, 'pid'), 'utf8'));
  const before = performance.now();
  await doorbell.close();
  expect(performance.now() - before).toBeLessThan(10_000);
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});

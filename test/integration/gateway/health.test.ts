import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { removeKey } from '../../../src/admin/keys.js';
import { openHealth } from '../../../src/gateway/health.js';
import { openCalls } from '../../../src/gateway/open-calls.js';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { onCleanup } from '../../support/on-cleanup.js';

/** A disk of 8 MiB; where only root may have one, a df that says so. Returns what ends it. */
async function fillDisk(bridge: BridgeFixture): Promise<() => Promise<void>> {
  const run = promisify(execFile);
  const objects = join(bridge.repoPath, 'objects');
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', objects]).catch(() => null);
  if (mounted !== null)
    return () =>
      run('umount', ['-l', objects]).then(
        () => {},
        () => {},
      );
  const bin = join(bridge.dir, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'df'), '#!/bin/sh\necho none 9000 1000 8000 12% /\n');
  await chmod(join(bin, 'df'), 0o755);
  const file = join(bridge.repoPath, 'bridge', 'ssh-command');
  const before = await readFile(file, 'utf8');
  await writeFile(
    file,
    before.replace(/^PATH=.*$/m, (line) => `${line}\nPATH=${bin}:$PATH`),
  );
  return () => writeFile(file, before);
}

test('over ssh is not ready while the disk of the server is full', async () => {
  const bridge = await startBridgeFixture();
  const calls = await openCalls(
    { repo: bridge.sshUrl, env: bridge.principal('bot').env },
    {
      ...{ waitMs: 60_000, lingerMs: 60_000, gateway: 'test', name: 'bot', maxCalls: 500 },
      onProblem: () => {},
    },
  );
  onCleanup(() => calls.close());
  // What was said a moment ago is kept, so each look is a new one.
  const look = () => openHealth(calls)();
  expect(await look()).toBeNull();

  const free = await fillDisk(bridge);
  onCleanup(free);
  expect(await look()).toMatch(/^the server cannot write: its disk is full/);
  await free();
  expect(await look()).toBeNull();

  await removeKey(
    { repoPath: bridge.repoPath, authorizedKeysFile: bridge.authorizedKeysFile, env: bridge.ownerEnv },
    'bot',
  );
  expect(await look()).toMatch(/^the server does not let the gateway in/);
  await bridge.sshd.stop();
  expect(await look()).toBe('the server cannot be reached');
});

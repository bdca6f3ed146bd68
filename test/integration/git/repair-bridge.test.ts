import { access, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repairBridge } from '../../../src/git/repair-bridge.js';
import { readRepairs } from '../../../src/git/repairs-log.js';
import { bareBridge } from '../../support/bare-bridge.js';

test('where nothing tells which processes run, a lock goes by its age, and none that a push may hold', async () => {
  const repo = await bareBridge();
  const [old, young] = [join(repo.gitDir, 'HEAD.lock'), join(repo.gitDir, 'refs/heads/main.lock')];
  for (const file of [old, young]) await writeFile(file, '');
  const nowMs = Date.now();
  const aged = new Date(Math.floor(nowMs / 1000) * 1000 - 721_000);
  await utimes(old, aged, aged);

  const done = await repairBridge(repo, {
    waitMs: 0,
    now: () => nowMs,
    procFolder: join(repo.dir, 'nowhere'),
  });

  expect(done).toEqual([`removed HEAD.lock, left by a killed git since ${aged.toISOString()}`]);
  expect(readRepairs(repo.gitDir, nowMs)).toEqual([{ at: new Date(nowMs).toISOString(), text: done[0] }]);
  await expect(access(old)).rejects.toThrow();
  await access(young);
});

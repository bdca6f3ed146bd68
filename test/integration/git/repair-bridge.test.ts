import { access, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clearTheWay, repairBridge } from '../../../src/git/repair-bridge.js';
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

test.each(['', '\0'.repeat(23), 'ref: refs/hea'])(
  'a HEAD that a power cut has left as %j is written again by whoever comes next',
  async (left) => {
    const repo = await bareBridge();
    await writeFile(join(repo.gitDir, 'HEAD'), left);

    const done = await clearTheWay(repo, { waitMs: 0 });

    expect(done).toEqual(['restored HEAD, which said nothing']);
    expect(await readFile(join(repo.gitDir, 'HEAD'), 'utf8')).toBe('ref: refs/heads/main\n');
    expect(await repo.git(['rev-parse', 'HEAD'])).toMatch(/^[0-9a-f]{40}$/);
  },
);

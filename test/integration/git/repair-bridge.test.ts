import { access, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectBridge } from '../../../src/bridge/connection.js';
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

const TASK = 'a'.repeat(40);

describe('whoever comes next on this machine removes what would stop every push', () => {
  async function planted(name: string, text = '') {
    const repo = await bareBridge();
    const file = join(repo.gitDir, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return { repo, file };
  }

  test
    .skipIf(process.platform !== 'linux')
    .each([
      ...['HEAD.lock', 'packed-refs.lock', 'packed-refs.new', 'refs/heads/main.lock'],
      ...[`claims/${TASK}`, 'agents/home-pc', 'models/home-pc'].map((name) => `refs/bridge/${name}.lock`),
    ])('%s alone, once no git can hold it', async (name) => {
    // git writes the new id into the lock of a ref; an empty one would be found as a broken ref as well.
    const { repo, file } = await planted(name, `${TASK}\n`);
    const done = await clearTheWay(repo);
    expect(done).toEqual([expect.stringContaining(`removed ${name}, left by a killed git since `)]);
    await expect(access(file)).rejects.toThrow('ENOENT');
    expect(readRepairs(repo.gitDir, 0).map(({ text }) => text)).toEqual(done);
    expect(await clearTheWay(repo)).toEqual([]);
  });

  test('before it fetches or pushes', async () => {
    const { repo, file } = await planted('refs/heads/main.lock', `${TASK}\n`);
    await connectBridge({ address: { kind: 'local', url: repo.gitDir }, env: repo.env, ssh: null });
    await expect(access(file)).rejects.toThrow('ENOENT');
  });

  test.each([`claims/${TASK}`, 'agents/home-pc', 'models/home-pc'].map((name) => `refs/bridge/${name}`))(
    'an empty file of %s alone',
    async (ref) => {
      const { repo, file } = await planted(ref);
      expect(await clearTheWay(repo)).toEqual([`removed ${ref}, whose file said nothing`]);
      await expect(access(file)).rejects.toThrow('ENOENT');
    },
  );
});

import { mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { listRefFiles, readRefFile, writeRefFile } from '../../../src/git/ref-files.js';
import { listRefs, setRefs } from '../../../src/git/refs.js';
import { bareBridge } from '../../support/bare-bridge.js';

const PREFIX = 'refs/bridge/finished/';

test('what is written is a ref to git, and what git makes is read, loose or packed', async () => {
  const repo = await bareBridge();
  const a = await repo.git(['rev-parse', 'main']);
  const b = await repo.git(['commit-tree', `${a}^{tree}`, '-p', a, '-m', 'b']);
  expect(await writeRefFile(repo.gitDir, `${PREFIX}1`, a)).toBe('written');
  await repo.git(['update-ref', `${PREFIX}2`, a]);
  await repo.git(['update-ref', `${PREFIX}deep/3`, b]);
  await repo.git(['update-ref', 'refs/bridge/finished-not', b]);
  const asGit = async () =>
    (await repo.git(['for-each-ref', '--format=%(refname) %(objectname)', PREFIX])).split('\n');
  const ours = async () => (await listRefFiles(repo.gitDir, PREFIX)).map(({ ref, id }) => `${ref} ${id}`);
  expect(await ours()).toEqual([`${PREFIX}1 ${a}`, `${PREFIX}2 ${a}`, `${PREFIX}deep/3 ${b}`]);
  expect(await ours()).toEqual(await asGit());

  await repo.git(['pack-refs', '--all', '--prune']);
  expect(await readRefFile(repo.gitDir, `${PREFIX}1`)).toBeNull();
  expect(await ours()).toEqual(await asGit());
  // One that was packed and is set again.
  expect(await writeRefFile(repo.gitDir, `${PREFIX}1`, b)).toBe('written');
  expect(await readRefFile(repo.gitDir, `${PREFIX}1`)).toBe(b);
  expect((await ours())[0]).toBe(`${PREFIX}1 ${b}`);
  expect(await ours()).toEqual(await asGit());
  await repo.git(['fsck', '--strict']);
});

test('where there is no such ref there is none, and neither a lock nor the rest of a power cut counts as one', async () => {
  const repo = await bareBridge();
  expect(await listRefFiles(repo.gitDir, PREFIX)).toEqual([]);
  await mkdir(join(repo.gitDir, PREFIX), { recursive: true });
  await writeFile(join(repo.gitDir, `${PREFIX}1.lock`), '');
  await writeFile(join(repo.gitDir, `${PREFIX}2`), '');
  await writeFile(join(repo.gitDir, `${PREFIX}3`), '0123');
  expect(await listRefFiles(repo.gitDir, PREFIX)).toEqual([]);
});

test('a ref that another process has locked is left alone, with its lock; the others are set', async () => {
  const repo = { ...(await bareBridge()), ownIds: 'sha1' as const };
  const a = await repo.git(['rev-parse', 'main']);
  const lock = join(repo.gitDir, `${PREFIX}1.lock`);
  await mkdir(dirname(lock), { recursive: true });
  await writeFile(lock, '');
  const both = [
    { ref: `${PREFIX}1`, to: a },
    { ref: `${PREFIX}2`, to: a },
  ];
  expect(await setRefs(repo, both, 'r')).toBe('raced');
  expect(await readdir(dirname(lock))).toEqual(['1.lock', '2']);
  await rm(lock);
  expect(await setRefs(repo, both, 'r')).toBe('updated');
  expect(await listRefs(repo, PREFIX)).toEqual(both.map(({ ref, to }) => ({ ref, id: to })));
});

test('folders that git removes because they are empty are made again, whatever the moment', async () => {
  const repo = await bareBridge();
  const a = await repo.git(['rev-parse', 'main']);
  const folder = join(repo.gitDir, PREFIX);
  let isOver = false;
  const removing = (async () => {
    while (!isOver) {
      await rmdir(folder).catch(() => {});
      await setImmediate();
    }
  })();
  for (let index = 0; index < 100; index += 1) {
    const ref = `${PREFIX}${index}`;
    expect(await writeRefFile(repo.gitDir, ref, a)).toBe('written');
    expect(await readRefFile(repo.gitDir, ref)).toBe(a);
    await rm(join(repo.gitDir, ref));
  }
  isOver = true;
  await removing;
});

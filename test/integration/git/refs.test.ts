import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listRefs, resolveRef, updateRefs } from '../../../src/git/refs.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';

const REF = 'refs/bridge/claims/x';

async function withCommits(): Promise<{ repo: BareBridge; a: string; b: string }> {
  const repo = await bareBridge();
  const a = await repo.git(['rev-parse', 'main']);
  const b = await repo.git(['commit-tree', `${a}^{tree}`, '-p', a, '-m', 'b']);
  return { repo, a, b };
}

test('a ref is moved from what it was, and not from what it was not', async () => {
  const { repo, a, b } = await withCommits();
  expect(await updateRefs(repo, [{ ref: REF, to: a }], 'r')).toBe('updated');
  expect(await updateRefs(repo, [{ ref: REF, to: b, from: a }], 'r')).toBe('updated');
  expect(await updateRefs(repo, [{ ref: REF, to: b, from: a }], 'r')).toBe('raced');
  expect(await resolveRef(repo, REF)).toBe(b);
});

test('a ref that has to be new is made once', async () => {
  const { repo, a, b } = await withCommits();
  expect(await updateRefs(repo, [{ ref: REF, to: a, from: null }], 'r')).toBe('updated');
  expect(await updateRefs(repo, [{ ref: REF, to: b, from: null }], 'r')).toBe('raced');
  expect(await resolveRef(repo, REF)).toBe(a);
});

test('a ref that is gone was raced for, and deleting it needs what it was', async () => {
  const { repo, a, b } = await withCommits();
  expect(await updateRefs(repo, [{ ref: REF, to: b, from: a }], 'r')).toBe('raced');
  expect(await updateRefs(repo, [{ ref: REF, to: null, from: a }], 'r')).toBe('raced');
  await updateRefs(repo, [{ ref: REF, to: a }], 'r');
  expect(await updateRefs(repo, [{ ref: REF, to: null, from: b }], 'r')).toBe('raced');
  expect(await updateRefs(repo, [{ ref: REF, to: null, from: a }], 'r')).toBe('updated');
  expect(await resolveRef(repo, REF)).toBeNull();
});

test('of several refs all move or none', async () => {
  const { repo, a, b } = await withCommits();
  const both = [
    { ref: REF, to: b },
    { ref: 'refs/heads/main', to: b, from: b },
  ];
  expect(await updateRefs(repo, both, 'r')).toBe('raced');
  expect(await resolveRef(repo, REF)).toBeNull();
  expect(await resolveRef(repo, 'refs/heads/main')).toBe(a);
});

test('a ref that another process has locked is raced for', async () => {
  const { repo, a, b } = await withCommits();
  await mkdir(join(repo.gitDir, 'refs/bridge/claims'), { recursive: true });
  await writeFile(join(repo.gitDir, `${REF}.lock`), '');
  expect(await updateRefs(repo, [{ ref: REF, to: b, from: null }], 'r')).toBe('raced');
  await writeFile(join(repo.gitDir, 'refs/heads/main.lock'), '');
  expect(await updateRefs(repo, [{ ref: 'refs/heads/main', to: b, from: a }], 'r')).toBe('raced');
});

test('of many who make the same ref at once one wins', async () => {
  const { repo, a } = await withCommits();
  const outcomes = await Promise.all(
    Array.from({ length: 6 }, () => updateRefs(repo, [{ ref: REF, to: a, from: null }], 'r')),
  );
  expect(outcomes.filter((one) => one === 'updated')).toHaveLength(1);
});

test('what is no race is an error: an object that is not there, a ref where a folder is', async () => {
  const { repo, a } = await withCommits();
  const missing = updateRefs(repo, [{ ref: REF, to: '1'.repeat(40) }], 'r');
  await expect(missing).rejects.toMatchObject({ code: 'git-failed' });
  await updateRefs(repo, [{ ref: `${REF}/below`, to: a }], 'r');
  await expect(updateRefs(repo, [{ ref: REF, to: a }], 'r')).rejects.toMatchObject({ code: 'git-failed' });
});

test('refs are listed by their prefix, and a file of a commit has an id as well', async () => {
  const { repo, a, b } = await withCommits();
  await updateRefs(
    repo,
    [
      { ref: 'refs/bridge/a/2', to: b },
      { ref: 'refs/bridge/a/1', to: a },
      { ref: 'refs/bridge/ab', to: a },
    ],
    'r',
  );
  expect(await listRefs(repo, 'refs/bridge/a/')).toEqual([
    { ref: 'refs/bridge/a/1', id: a },
    { ref: 'refs/bridge/a/2', id: b },
  ]);
  expect(await resolveRef(repo, 'refs/heads/main:task.txt')).toBeNull();
  expect(await resolveRef(repo, 'refs/heads/nope')).toBeNull();
});

test('a repository that cannot be read is not one without the ref', async () => {
  const { repo } = await withCommits();
  const gone = { ...repo, gitDir: join(repo.dir, 'gone.git') };
  await expect(resolveRef(gone, 'refs/heads/main')).rejects.toMatchObject({ code: 'git-failed' });
});

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readHistory } from '../../../src/git/read-history.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';

const MAIN = { from: ['refs/heads/main'] };

/** Commits these files (name to text) on main with git's own commands, and answers the id. */
async function commit(
  repo: BareBridge,
  files: Readonly<Record<string, string>>,
  message: string,
  more: { parents?: readonly string[]; date?: string } = {},
): Promise<string> {
  const lines: string[] = [];
  for (const [name, text] of Object.entries(files)) {
    const blob = await repo.git(['hash-object', '-w', '--stdin'], text);
    lines.push(`100644 blob ${blob}\t${name}\0`);
  }
  const tree = await repo.git(['mktree', '-z'], lines.join(''));
  const parents = more.parents ?? [await repo.git(['rev-parse', 'main'])];
  const id = (
    await gitOk(['commit-tree', tree, ...parents.flatMap((one) => ['-p', one]), '-F', '-'], {
      gitDir: repo.gitDir,
      env: { ...repo.env, GIT_COMMITTER_DATE: more.date ?? '@1700000000 +0000' },
      input: message,
    })
  ).trim();
  await repo.git(['update-ref', 'refs/heads/main', id]);
  return id;
}

test('history is read from the oldest commit to the newest, each with its own change', async () => {
  const repo = await bareBridge();
  const root = await repo.git(['rev-parse', 'main']);
  const a = await commit(repo, { 'task.txt': '1' }, 'ask 1: one');
  const b = await commit(repo, { 'task.txt': '2', 'inbox.json': '{}' }, 'both');
  const history = await readHistory(repo, MAIN);
  expect(history.map((one) => one.id)).toEqual([root, a, b]);
  expect(history[1]).toMatchObject({
    parents: [root],
    committedAtMs: 1_700_000_000_000,
    subject: 'ask 1: one',
  });
  expect(history[1]?.changes).toEqual([
    {
      path: 'task.txt',
      oldMode: '000000',
      newMode: '100644',
      oldId: '0'.repeat(40),
      newId: await repo.git(['rev-parse', `${a}:task.txt`]),
    },
  ]);
  expect(history[2]?.changes.map((change) => change.path)).toEqual(['inbox.json', 'task.txt']);
  expect((await readHistory(repo, { ...MAIN, not: [a] })).map((one) => one.id)).toEqual([b]);
  expect((await readHistory(repo, { ...MAIN, maxCount: 1 })).map((one) => one.id)).toEqual([b]);
});

test('commits without a change are read as such, wherever they stand', async () => {
  const repo = await bareBridge();
  await commit(repo, {}, 'empty 1');
  await commit(repo, { a: '1' }, 'a');
  await commit(repo, { a: '1' }, 'empty 2');
  await commit(repo, { a: '1' }, 'empty 3');
  const history = await readHistory(repo, MAIN);
  expect(history.map((one) => [one.subject, one.changes.length])).toEqual([
    ['init', 0],
    ['empty 1', 0],
    ['a', 1],
    ['empty 2', 0],
    ['empty 3', 0],
  ]);
});

test('of a merge the first parent is followed, and both are told', async () => {
  const repo = await bareBridge();
  const root = await repo.git(['rev-parse', 'main']);
  const side = await commit(repo, { s: '1' }, 'side');
  await repo.git(['update-ref', 'refs/heads/main', root]);
  const main = await commit(repo, { m: '1' }, 'main');
  const merge = await commit(repo, { m: '1', s: '1' }, 'merge', { parents: [main, side] });
  const history = await readHistory(repo, MAIN);
  expect(history.map((one) => one.id)).toEqual([root, main, merge]);
  expect(history[2]).toMatchObject({ parents: [main, side], changes: [{ path: 's' }] });
});

test('the edge of a shallow clone has no parent, so that it is never taken for a message', async () => {
  const repo = await bareBridge();
  await commit(repo, { 'task.txt': '1' }, 'one');
  await commit(repo, { 'task.txt': '2' }, 'two');
  await commit(repo, { 'task.txt': '3' }, 'three');
  const clone = { ...repo, gitDir: join(repo.dir, 'clone.git') };
  await gitOk(['clone', '--quiet', '--bare', '--depth=2', `file://${repo.gitDir}`, clone.gitDir], {
    env: repo.env,
  });
  const history = await readHistory(clone, MAIN);
  expect(history.map((one) => [one.subject, one.parents.length])).toEqual([
    ['two', 0],
    ['three', 1],
  ]);
});

test.each(['line\nbreak', ':100644 x', '"quoted"', 'Привет 😀', ' space ', 'tab\t', '-dash', '\u0001'])(
  'a file called %j is told by its name',
  async (name) => {
    const repo = await bareBridge();
    await commit(repo, { [name]: '1', 'task.txt': '1' }, 'odd');
    await commit(repo, { 'task.txt': '1' }, 'gone');
    const [, odd, gone] = await readHistory(repo, MAIN);
    expect(odd?.changes.map((change) => change.path).sort()).toEqual([name, 'task.txt'].sort());
    expect(gone?.changes).toMatchObject([{ path: name, newMode: '000000' }]);
  },
);

test.each([':100644 000000 a b M', '%H %x00', 'tab\there', 'a\u001b[2Jb', 'Привет 😀', '\u2028'])(
  'a subject %j is told as it is, and the commit behind it as well',
  async (subject) => {
    const repo = await bareBridge();
    await commit(repo, { a: '1' }, subject);
    await commit(repo, {}, 'next');
    const history = await readHistory(repo, MAIN);
    expect(history.map((one) => one.subject)).toEqual(['init', subject, 'next']);
  },
);

test('an empty message has an empty subject', async () => {
  const repo = await bareBridge();
  await commit(repo, { a: '1' }, '');
  await commit(repo, { a: '2' }, 'next');
  expect((await readHistory(repo, MAIN)).map((one) => one.subject)).toEqual(['init', '', 'next']);
});

test('trailers are told whatever the owner has set of them for git, so that no answer is taken for another', async () => {
  const repo = await bareBridge();
  await repo.git(['config', 'trailer.taskid.key', 'Task-Id']);
  await repo.git(['config', 'trailer.separators', '=']);
  const trailers = 'Task: abc\nTask-Id: other\nTask-Hash: def\nStatus: ok';
  await commit(repo, { 'inbox.json': '{}' }, `answer: 4\n\n${trailers}\n`);
  const asGit = await repo.git([
    'log',
    '-1',
    '--format=%(trailers:key=Task,valueonly,separator=%x2C)',
    'main',
  ]);
  expect(asGit.trim()).not.toBe('abc');
  const history = await readHistory(repo, MAIN);
  expect(history.at(-1)).toMatchObject({ taskTrailer: 'abc', taskHashTrailer: 'def', statusTrailer: 'ok' });
});

test('trailers are told; one that stands twice shows both, and one in the text is none', async () => {
  const repo = await bareBridge();
  const hash = 'ab'.repeat(32);
  await commit(repo, { a: '1' }, `answer\n\nTask: x\nTask-Hash: ${hash}\nStatus: error timeout\n`);
  await commit(repo, { a: '2' }, 'answer\n\nStatus: ok\nStatus: cached\n');
  await commit(repo, { a: '3' }, 'answer\n\nStatus: ok\n\nmore text\n');
  const [, one, twice, text] = await readHistory(repo, MAIN);
  expect(one).toMatchObject({ taskTrailer: 'x', taskHashTrailer: hash, statusTrailer: 'error timeout' });
  expect(twice).toMatchObject({ taskTrailer: '', statusTrailer: 'ok,cached' });
  expect(text?.statusTrailer).toBe('');
});

test('the settings of a user do not change what is read', async () => {
  const repo = await bareBridge();
  await commit(repo, { a: 'x\n'.repeat(50) }, 'a');
  await commit(repo, { b: 'x\n'.repeat(50) }, 'moved');
  const plain = await readHistory(repo, MAIN);
  for (const [key, value] of [
    ['diff.renames', 'copies'],
    ['log.showSignature', 'true'],
    ['log.follow', 'true'],
    ['log.decorate', 'full'],
    ['log.diffMerges', 'off'],
    ['color.ui', 'always'],
    ['core.abbrev', '4'],
    ['format.notes', '*'],
    ['format.pretty', 'fuller'],
    ['i18n.logOutputEncoding', 'latin1'],
  ] as const)
    await repo.git(['config', key, value]);
  expect(await readHistory(repo, MAIN)).toEqual(plain);
  expect(plain[2]?.changes.map((change) => change.path)).toEqual(['a', 'b']);
});

test.each([Number.NEGATIVE_INFINITY, -1e15, -5000, 0, 5000])(
  'a start before all time (%f ms) leaves nothing out',
  async (sinceMs) => {
    const repo = await bareBridge({ rootDate: '@100000 +0000' });
    await commit(repo, { a: '1' }, 'old', { date: '@200000000 +0000' });
    expect(await readHistory(repo, { ...MAIN, sinceMs })).toHaveLength(2);
  },
);

test('a start in time leaves out what is older', async () => {
  const repo = await bareBridge({ rootDate: '@1000000000 +0000' });
  await commit(repo, { a: '1' }, 'new', { date: '@1700000000 +0000' });
  const since = await readHistory(repo, { ...MAIN, sinceMs: 1_600_000_000_000 });
  expect(since.map((one) => one.subject)).toEqual(['new']);
});

test('an unknown id is an error', async () => {
  const repo = await bareBridge();
  await expect(readHistory(repo, { from: ['0'.repeat(40)] })).rejects.toMatchObject({ code: 'git-failed' });
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatCommit, parseTree, replaceTreeFile, treeOfCommit } from '../../../src/git/git-objects.js';

let gitDir: string;
beforeAll(() => {
  gitDir = mkdtempSync(join(tmpdir(), 'llm-bridge-test-'));
  git(['init', '--bare', '--quiet', gitDir]);
});
afterAll(() => rmSync(gitDir, { recursive: true, force: true }));

function git(args: readonly string[], input: string | Buffer = ''): Buffer {
  return execFileSync('git', ['--git-dir', gitDir, ...args], { input, stdio: ['pipe', 'pipe', 'pipe'] });
}

const ID = { blob: 'ab'.repeat(20), next: 'ef'.repeat(20) };

interface Entry {
  readonly mode: string;
  readonly name: string;
}

/** The raw tree git itself makes of these entries. */
function mktree(entries: readonly (Entry & { readonly id: string })[]): Buffer {
  const kind = (mode: string) => (mode === '40000' ? 'tree' : mode === '160000' ? 'commit' : 'blob');
  const lines = entries.map(({ mode, name, id }) => `${mode} ${kind(mode)} ${id}\t${name}\0`);
  const id = git(['mktree', '-z', '--missing'], lines.join('')).toString().trim();
  return git(['cat-file', 'tree', id]);
}

const name = fc.oneof(
  fc.constantFrom(
    'inbox',
    'inbox.json',
    'inbox.json.d',
    'inbox-json',
    'inbox.jsoo',
    'task',
    'é',
    'line\nbreak',
    'Z',
  ),
  fc.stringMatching(/^[a-z.\-0é]{1,6}$/).filter((text) => !['.', '..', '.git'].includes(text.toLowerCase())),
);
const entry = fc.record({ mode: fc.constantFrom('100644', '100755', '120000', '40000', '160000'), name });

test('setting a file gives the tree that git mktree makes', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(entry, { maxLength: 8, selector: ({ name }) => name }),
      fc.constantFrom('inbox.json', 'task.txt'),
      (entries, file) => {
        const old = entries.map((one) => ({ ...one, id: ID.blob }));
        const wanted = [
          ...old.filter((one) => one.name !== file),
          { mode: '100644', name: file, id: ID.next },
        ];
        expect(replaceTreeFile(mktree(old), file, ID.next)).toEqual(mktree(wanted));
      },
    ),
    { numRuns: 25 },
  );
});

test('a folder stands where git sorts it, behind what is smaller than its name with a slash', () => {
  const entries = [
    { mode: '40000', name: 'task.txt', id: ID.blob },
    { mode: '100644', name: 'task.txt-old', id: ID.blob },
    { mode: '40000', name: 'inbox', id: ID.blob },
    { mode: '100644', name: 'inbox.json', id: ID.blob },
  ];
  const names = parseTree(replaceTreeFile(mktree(entries), 'inbox.json', ID.next), 20).map((one) => one.name);
  expect(names).toEqual(['inbox.json', 'inbox', 'task.txt-old', 'task.txt']);
});

test('names and ids of any bytes are kept as they are', () => {
  const raw = Buffer.concat([Buffer.from('100644 \xff\xfe\n\0', 'latin1'), Buffer.alloc(20, 0)]);
  expect(replaceTreeFile(raw, 'zz', ID.next).subarray(-raw.length)).toEqual(raw);
});

test('ids of 32 bytes are read where the repository has them', () => {
  const id = 'cd'.repeat(32);
  const raw = replaceTreeFile(Buffer.alloc(0), 'task.txt', id);
  expect(parseTree(raw, 32)).toEqual([{ mode: '100644', name: 'task.txt', id }]);
});

test.each(['100644', '100644 a', '100644 a\0short', 'garbage\0'])('%j is no tree', (text) => {
  expect(() => parseTree(Buffer.from(text), 20)).toThrow(RangeError);
});

test('a commit is one that git takes, with its message and its dates', () => {
  const tree = git(['mktree'], '').toString().trim();
  const by = { name: 'home-pc', atMs: 1_700_000_000_999 };
  const commit = formatCommit({ tree, parent: ID.blob, by, message: 'ask: привет\n\nTask-Hash: x\n' });
  expect(treeOfCommit(commit)).toBe(tree);
  const id = git(['hash-object', '-t', 'commit', '-w', '--stdin'], commit).toString().trim();
  const said = git([
    'log',
    '--no-walk',
    '--format=%an|%ae|%ct|%cn|%s|%(trailers:key=Task-Hash,valueonly)',
    id,
  ]);
  expect(said.toString().trim()).toBe('home-pc|home-pc@llm-bridge.invalid|1700000000|home-pc|ask: привет|x');
});

test('what is no commit has no tree', () => {
  expect(treeOfCommit(Buffer.from('object abc\n'))).toBeNull();
  expect(treeOfCommit(Buffer.from(`tree ${'a'.repeat(39)}\n`))).toBeNull();
});

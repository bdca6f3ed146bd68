import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTrailers } from '../../../src/protocol/trailers.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { readVectors, trailerVectorsSchema } from '../../support/read-vectors.js';

const KEYS = ['Task', 'Task-Hash', 'Status'] as const;

/** Pieces of which messages are made that git and we might read in two ways. */
const PIECES = [
  ...[
    'Task: a',
    'task: b',
    'TASK : c',
    'Task-Hash:d',
    'Status: ok',
    'Status:',
    ' Status: x',
    ': y',
    'Task a: z',
  ],
  ...['Signed-off-by: A <a@b>', '(cherry picked from commit abc)', 'Model: m', 'no trailer here', 'http://x'],
  ...[
    '  folded',
    '\tfolded',
    '',
    '',
    ' ',
    '\t',
    '\r',
    'Task: a\r',
    '# a comment',
    '#',
    '---',
    '--- a/task.txt',
  ],
  ...['Conflicts:', '\ttask.txt', '# ------------------------ >8 ------------------------'],
  ...['------------------------ >8 ------------------------', 'é: ü', 'Task\u00a0: nbsp', 'Status: ok\u00a0'],
];

test('trailers are read as git reads them where nobody has set anything', async () => {
  const { dir, git } = await bareBridge();
  const tree = await git(['mktree'], '');
  const body = fc
    .tuple(fc.array(fc.constantFrom(...PIECES), { maxLength: 9 }), fc.constantFrom('', '\n', '\n\n'))
    .map(([lines, end]) => lines.join('\n') + end);
  const message = fc
    .tuple(fc.constantFrom('subject\n\n', 'subject\n', '\n\n', ''), body)
    .map((parts) => parts.join(''));
  // A paragraph of git's own trailers may be trailers to a quarter.
  const own = 'Signed-off-by: A <a@b>\nTask: a\n';
  const diluted = [4, 5, 6, 7].map((others) => `subject\n\n${own}${'no trailer here\n'.repeat(others)}`);
  const sampled = fc.sample(message, { numRuns: 4_000, seed: 20_260_101 });
  const vectors = (await readVectors('trailers', trailerVectorsSchema)).cases;
  const messages = [...new Set([...vectors.map((one) => one.message), ...diluted, ...sampled])];
  const who = 'x <x@x> 1 +0000';
  const files = messages.map((_one, at) => join(dir, `${at}`));
  for (const [at, one] of messages.entries())
    await writeFile(files[at] ?? '', `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\n${one}`);
  const written = ['hash-object', '-t', 'commit', '-w', '--stdin-paths', '--no-filters'];
  const ids = (await git(written, `${files.join('\n')}\n`)).split('\n');
  const format = KEYS.map((key) => `%(trailers:key=${key},valueonly,separator=%x2C)%x00`).join('');
  const shown = await git(
    ['log', '--no-walk=unsorted', '--stdin', `--format=tformat:${format}%x01`, '--encoding=UTF-8'],
    `${ids.join('\n')}\n`,
  );
  const read = shown.split('\u0001').map((one) => one.replace(/^\n/, '').split('\0').slice(0, KEYS.length));
  // Nothing stands behind the last.
  read.pop();
  // git shows a commit once.
  const unique = [...new Set(ids)].map((id) => messages[ids.indexOf(id)] ?? '');
  expect(read.length).toBe(unique.length);
  for (const [at, { name, trailers }] of vectors.entries())
    expect(read[at], name).toEqual(KEYS.map((key) => trailers[key]));
  let found = 0;
  for (const [at, one] of unique.entries()) {
    const trailers = readTrailers(one);
    const ours = KEYS.map((key) => trailers.get(key.toLowerCase()) ?? '');
    expect(ours, JSON.stringify(one)).toEqual(read[at]);
    if (ours.some((value) => value !== '')) found += 1;
  }
  // Enough of them have something to be read.
  expect(found).toBeGreaterThan(300);
});

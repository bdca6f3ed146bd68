import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// SECURITY.md: every promise has a number and names its tests, and each of them names it.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = await readFile(join(root, 'SECURITY.md'), 'utf8');

/** `P3; tests: ` and paths below `test`, in backticks. */
const SHOWN = /\bP(\d+); tests?:((?:[^`)]*`[\w/-]+`)+)/g;

const promises = [...page.matchAll(SHOWN)].map(([, number = '', places = '']) => ({
  number: Number(number),
  tests: [...places.matchAll(/`([\w/-]+)`/g)].map(([, place = '']) => place),
}));

/**
 * The paragraphs and list items of a section, without tables, command lines and what only leads to these.
 */
function promisesOf(heading: string): string[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  return (section.split('\n## ')[0] ?? '')
    .split(/\n\n|\n(?=\d+\. )/)
    .filter((block) => !block.startsWith('    '))
    .map((block) => block.trim())
    .filter((block) => block !== '' && !block.startsWith('|') && !block.startsWith('Each promise'))
    .filter((block) => !block.endsWith(':'));
}

test('the numbers go on without a gap', () => {
  expect(promises.map(({ number }) => number)).toEqual(promises.map((_one, index) => index + 1));
  expect(promises.length).toBeGreaterThan(25);
});

test.each([
  ['Who may do what, as enforced today', 20],
  ['Keys: rotate and revoke', 4],
])('every paragraph of "%s" has a promise that is shown', (heading, most) => {
  const blocks = promisesOf(heading);
  expect(blocks.length).toBeGreaterThan(most);
  expect(blocks.filter((block) => block.search(SHOWN) < 0)).toEqual([]);
});

test.each(promises)('P$number is shown by tests that name it', async ({ number, tests }) => {
  expect(tests).not.toEqual([]);
  for (const place of tests) {
    const text = await readFile(join(root, 'test', `${place}.test.ts`), 'utf8');
    const named = /^\/\/ SECURITY\.md: (P\d+(?:, P\d+)*)$/m.exec(text)?.[1]?.split(', ') ?? [];
    expect(named, place).toContain(`P${number}`);
  }
});

import { execFileSync } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// A comment or a page that names a file of this repository names one that is there.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
}).split('\n');
const readers = tracked.filter((file) => /^(src|hooks|scripts|test|docs)\/|^[A-Z][^/]*\.md$/.test(file));

/**
 * `src/git/refs.ts`, `hooks/ssh-command`, `test/slow/soak.test.ts`, or `test/slow/soak`.
 * Placeholders like `<name>` end it.
 */
const NAMED =
  /(?<![\w/.-])(?:src|hooks|scripts|docs|bridge-repo-template|test\/(?:unit|integration|e2e|slow|bench|soak|support|real))\/[\w./-]*[\w-](?![\w./$<*-])/g;

/** In a comment, a file by its name alone: `refs.ts`. */
const NAMED_ALONE = /^\s*(?:\/\/|\/?\*).*?(?<![\w/.-])([\w-]+\.(?:test\.ts|ts|mjs))\b/gm;

/**
 * Tables of docs and ARCHITECTURE name tests by their path below `test`, in backticks:
 * `e2e/crash/ask-sweep`.
 */
const TESTED = /`((?:unit|integration|e2e|slow)\/[\w/-]+)`/g;

/** Whatever has a slash in the last column of a table about crashes is the path of a test. */
const CRASH_TESTED = /`([^`\s]+\/[^`\s]+)`(?=[^|\n]*\|$)/gm;

const ENDINGS = ['', '.ts', '.test.ts', '.mjs', '.md'];

async function isThere(place: string): Promise<boolean> {
  const found = await Promise.all(
    ENDINGS.map((ending) =>
      access(join(root, `${place}${ending}`)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

test('every file of this repository that a comment or a page names is there', async () => {
  const missing: string[] = [];
  for (const file of readers) {
    const text = await readFile(join(root, file), 'utf8').catch(() => '');
    // The history of the program may speak of what is gone.
    if (file === 'CHANGELOG.md') continue;
    for (const [place] of text.matchAll(NAMED))
      if (!(await isThere(place))) missing.push(`${file}: ${place}`);
    for (const [, name = ''] of text.matchAll(NAMED_ALONE))
      if (!tracked.some((one) => one.endsWith(`/${name}`) || one === name)) missing.push(`${file}: ${name}`);
    if (!file.endsWith('.md')) continue;
    for (const [, test = ''] of text.matchAll(file === 'docs/crash-safety.md' ? CRASH_TESTED : TESTED))
      if (!(await isThere(`test/${test}`))) missing.push(`${file}: test/${test}`);
  }
  expect(missing).toEqual([]);
});

import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// Links between the pages lead somewhere: to a file that is there, and to a heading in it. The first pages
// are short.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const pages = [
  ...(await readdir(root)).filter((name) => name.endsWith('.md')),
  ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
];

const read = (page: string) => readFile(join(root, page), 'utf8');
const outsideOfBlocks = (text: string) => text.replace(/^```[\s\S]*?^```$/gm, '');

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const headings = [...outsideOfBlocks(text).matchAll(/^#+ (.*)$/gm)].map((match) => match[1] ?? '');
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test.each(pages)('the links of %s lead somewhere', async (page) => {
  const links = [...outsideOfBlocks(await read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(
    (match) => match[1] ?? '',
  );
  for (const link of links.filter((one) => !/^https?:/.test(one))) {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : normalize(join(dirname(page), path));
    await expect(access(join(root, target)), `${link} in ${page}`).resolves.toBeUndefined();
    if (anchor !== undefined)
      expect([...anchorsOf(await read(target))], `${link} in ${page}`).toContain(anchor);
  }
});

test('every page of docs is found from the README of its language', async () => {
  for (const page of pages.filter((one) => one.startsWith('docs/')))
    expect(await read(page.endsWith('.ru.md') ? 'README.ru.md' : 'README.md')).toContain(`](${page})`);
});

test('the pages that come first stay short: their lines are those that a reader gets through', async () => {
  for (const [page, most] of [
    ['README.md', 160],
    ['README.ru.md', 160],
    ['ARCHITECTURE.md', 130],
  ] as const)
    expect((await read(page)).trimEnd().split('\n').length, page).toBeLessThanOrEqual(most);
});

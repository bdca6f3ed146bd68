import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { firstCells, readCodeBlocks } from '../../support/read-markdown.js';

// The README and each guide are there in Russian: their own prose, the same commands, sections and links.

const root = new URL('../../../', import.meta.url);
const RUSSIAN = /\.ru\.md$/;
const russianPages = [
  'README.ru.md',
  ...(await readdir(new URL('docs/', root)))
    .filter((name) => RUSSIAN.test(name))
    .map((name) => `docs/${name}`),
];
const read = (name: string) => readFile(new URL(name, root), 'utf8');

/** The pages that a text links to, each once: a Russian one counts as its English original. */
const linkedPages = (text: string) =>
  [...new Set([...text.matchAll(/\]\(((?:\.\.\/)?(?:docs\/)?[\w.-]+\.md)/g)].map(([, page]) => page))]
    .map((page) => page?.replace(RUSSIAN, '.md'))
    .sort();

describe.each(russianPages)('%s', async (page) => {
  const [english, russian] = await Promise.all([read(page.replace(RUSSIAN, '.md')), read(page)]);

  test('has the blocks of commands and code of the English page, in the same order', () => {
    const blocksOf = (text: string) =>
      readCodeBlocks(text).map(({ language, info, text: code }) => ({ language, info, code }));
    expect(blocksOf(russian)).toEqual(blocksOf(english));
    const indented = (text: string) => text.split('\n').filter((line) => line.startsWith('    llm-bridge'));
    expect(indented(russian)).toEqual(indented(english));
  });

  test('has as many sections and rows, and links to the same pages', () => {
    const levels = (text: string) => [...text.matchAll(/^(#+) /gm)].map((match) => match[1]);
    expect(levels(russian)).toEqual(levels(english));
    expect(firstCells(russian)).toHaveLength(firstCells(english).length);
    const others = (text: string) => linkedPages(text).filter((linked) => linked !== 'README.md');
    expect(others(russian)).toEqual(others(english));
  });

  test('has as many items, and names the same commands and options in its sentences', () => {
    const items = (text: string) => [...text.matchAll(/^(?:- |\d+\. )/gm)].length;
    expect(items(russian)).toBe(items(english));
    const prose = (text: string) => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/^\|.*$/gm, '');
    const options = (text: string) => [
      ...new Set([...prose(text).matchAll(/--[a-z][a-z-]+/g)].map(([name]) => name)),
    ];
    expect(options(russian).sort()).toEqual(options(english).sort());
  });

  test('leads to the Russian page where there is one', () => {
    const links = [...russian.matchAll(/\]\((?:docs\/)?([\w-]+)\.md/g)].map(
      ([, name]) => `docs/${name}.ru.md`,
    );
    expect(links.filter((link) => russianPages.includes(link))).toEqual([]);
  });
});

test('the tables of both READMEs have rows for the same commands, settings, exit codes and variables', async () => {
  expect(firstCells(await read('README.ru.md'))).toEqual(firstCells(await read('README.md')));
});

/** One word for one thing: the one that is taken, and those that others would take for it. */
const ONE_WORD: readonly (readonly [thing: string, taken: RegExp, not: RegExp])[] = [
  ['bridge', /мост/i, /бридж|перемычк/i],
  ['task', /задач/i, /таск|задани(?!е Планировщика|ем Windows)/i],
  ['answer', /ответ/i, /отклик|ответк/i],
  ['agent', /агент/i, /воркер|работник/i],
  ['key', /ключ/i, /кейс|\bкей\b/i],
  ['log', /журнал/i, /(?<![а-яё])лог(?:а|и|е|у|ов|ах)?(?![а-яё])/i],
  ['service', /служб/i, /сервис|демон(?!стр)/i],
  ['model server', /сервер[а-я]* моделей/i, /бэкенд|бекенд|модельн[а-я]+ сервер/i],
  ['gateway', /шлюз/i, /гейтвей/i],
  ['fingerprint', /отпечат/i, /фингерпринт|слепок/i],
  ['hook', /хук/i, /перехватчик/i],
  ['commit', /коммит/i, /фиксаци/i],
  ['token', /токен/i, /жетон/i],
];

test.each(ONE_WORD)('one word is taken in all that is Russian for: %s', async (_thing, taken, not) => {
  const texts = await Promise.all(russianPages.map(async (page) => [page, await read(page)] as const));
  // What the page shows, its language being told in a browser alone.
  const words = await read('src/gateway/page/words.ts');
  const said = [...texts, ['the page', words.replace(/\/\/.*$|\/\*[\s\S]*?\*\//gm, '')] as const];
  expect(said.some(([, text]) => taken.test(text))).toBe(true);
  for (const [page, text] of said) {
    const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
    expect(prose.match(not)?.[0], page).toBeUndefined();
  }
});

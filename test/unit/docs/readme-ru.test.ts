import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { firstCells, readCodeBlocks } from '../../support/read-markdown.js';

const read = (name: string) => readFile(new URL(`../../../${name}`, import.meta.url), 'utf8');
const [english, russian] = await Promise.all([read('README.md'), read('README.ru.md')]);

test('both READMEs have the same blocks of commands and code, in the same order', () => {
  const blocksOf = (text: string) =>
    readCodeBlocks(text).map(({ language, info, text: code }) => ({ language, info, code }));
  expect(blocksOf(russian)).toEqual(blocksOf(english));
});

test('their tables have rows for the same commands, settings, exit codes and variables', () => {
  expect(firstCells(russian)).toEqual(firstCells(english));
});

test('they have as many sections, and links to the same pages', () => {
  const levels = (text: string) => [...text.matchAll(/^(#+) /gm)].map((match) => match[1]);
  expect(levels(russian)).toEqual(levels(english));
  const pages = (text: string) =>
    [...new Set([...text.matchAll(/\]\(((?:docs\/)?[\w-]+\.md)/g)].map((match) => match[1]))].sort();
  expect(pages(russian).filter((page) => page !== 'README.md')).toEqual(
    pages(english).filter((page) => page !== 'README.ru.md'),
  );
});

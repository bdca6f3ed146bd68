import { expect, test } from 'vitest';
import { windowsWord } from '../../../../src/admin/service/task-xml.js';

/** CommandLineToArgvW, as Microsoft describes it: backslashes count only in front of a quote. */
function parse(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let inQuotes = false;
  for (let at = 0; at < line.length; at += 1) {
    const slashes = /^\\+/.exec(line.slice(at))?.[0].length ?? 0;
    if (slashes > 0) {
      const isBeforeQuote = line[at + slashes] === '"';
      word = (word ?? '') + '\\'.repeat(isBeforeQuote ? Math.floor(slashes / 2) : slashes);
      at += slashes - 1;
      if (isBeforeQuote && slashes % 2 === 1) {
        word += '"';
        at += 1;
      }
    } else if (line[at] === '"') {
      inQuotes = !inQuotes;
      word ??= '';
    } else if (line[at] === ' ' && !inQuotes) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + line[at];
  }
  return word === null ? words : [...words, word];
}

test('words come through a Windows command line as they were, whatever is in them', () => {
  const words = [
    'plain',
    'C:\\Program Files\\node\\node.exe',
    'ends with\\',
    'a "quoted" word',
    'back\\"slash quote',
    '',
    'Ключ & замок',
    'two\\\\ slashes',
    '100%',
  ];

  expect(parse(words.map(windowsWord).join(' '))).toEqual(words);
});

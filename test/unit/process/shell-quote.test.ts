import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { shellQuote } from '../../../src/process/shell-quote.js';

test('a plain word stays as it is, and all else is quoted', () => {
  expect(shellQuote('/srv/llm-bridge/bridge.git')).toBe('/srv/llm-bridge/bridge.git');
  expect(shellQuote('')).toBe("''");
  expect(shellQuote("it's")).toBe("'it'\\''s'");
});

test('every word comes back from a real sh as it was', () => {
  const fixed = [
    '',
    ' ',
    "'",
    '"',
    '$HOME',
    '`id`',
    '$(id)',
    '*',
    '~',
    '~root',
    '!',
    '\\',
    'a\nb\n',
    '-n',
    '#x',
    '{a,b}',
    'é 😀',
  ];
  const words = [
    ...fixed,
    ...fc.sample(
      fc.string().filter((word) => !word.includes('\0')),
      300,
    ),
  ];
  const script = `for word in ${words.map(shellQuote).join(' ')}; do printf '%s\\000' "$word"; done`;
  const said = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
  expect(said.split('\0').slice(0, -1)).toEqual(words);
});

import { expect, test } from 'vitest';
import { brokenRows, certainRows } from '../../../src/cli/terminal-rows.js';

const rows = (text: string, ...widths: number[]) => certainRows(text, { widths, rows: 24 });

test('rows are counted as a terminal shows them', () => {
  expect(rows('', 80)).toBe(1);
  expect(rows('four', 80)).toBe(1);
  expect(rows('two\nlines\n', 80)).toBe(3);
  expect(rows('x'.repeat(81), 80)).toBe(2);
  expect(rows('Привет, мир — “да”…', 10)).toBe(2);
  // A wide character that has no room at the end of a row goes to the next.
  expect(rows(`${'x'.repeat(9)}漢漢`, 10)).toBe(2);
  expect(rows('漢'.repeat(11), 10)).toBe(3);
  expect(rows('🙂🙂🙂🙂🙂🙂', 10)).toBe(2);
  expect(rows('a\tb', 80)).toBe(1);
});

test('what terminals differ in is not certain, unless it changes nothing', () => {
  // The cursor behind a full row is in it, or in the next.
  expect(rows('x'.repeat(80), 80)).toBeNull();
  expect(rows(`${'x'.repeat(80)}\n`, 80)).toBeNull();
  // Joined, toned and composed characters.
  expect(rows('👨‍👩‍👧'.repeat(5), 20)).toBeNull();
  expect(rows('👨‍👩‍👧', 80)).toBe(1);
  expect(rows('e\u0301'.repeat(15), 20)).toBeNull();
  expect(rows('✔'.repeat(15), 20)).toBeNull();
  // Higher than the screen.
  expect(rows('\n'.repeat(23), 80)).toBe(24);
  expect(rows('\n'.repeat(24), 80)).toBeNull();
  expect(rows('x'.repeat(100_000), 80)).toBeNull();
});

test('a terminal that changed its width may have laid the text out again, or not', () => {
  expect(rows('x'.repeat(100), 80, 120)).toBeNull();
  expect(rows('x'.repeat(100), 120, 130)).toBe(1);
  expect(rows('short\nlines', 80, 20, 120)).toBe(2);
});

test('broken rows fit on every terminal, and lose nothing', () => {
  expect(brokenRows('one two\nthree', 4)).toEqual(['one ', 'two', 'thre', 'e']);
  expect(brokenRows('漢漢漢', 5)).toEqual(['漢漢', '漢']);
  expect(brokenRows('a\tb', 80)).toEqual(['a b']);
  expect(brokenRows('漢', 1)).toEqual(['漢']);
  for (const text of ['Привет 👨‍👩‍👧 мир', 'e\u0301e\u0301e\u0301', '✔✔✔✔']) {
    for (const width of [3, 5, 8]) {
      const broken = brokenRows(text, width);
      expect(broken.join('')).toBe(text);
      for (const row of broken) expect(certainRows(row, { widths: [width + 1], rows: 1 })).toBe(1);
    }
  }
});

import { expect, test } from 'vitest';
import { RepetitionDetector } from '../../../../src/agent/backends/repetition.js';

/** How many characters of `text`, in pieces of `pieceChars`, are taken before it is found; -1: never. */
function foundAfter(text: string, pieceChars = 7): number {
  const detector = new RepetitionDetector();
  for (let at = 0; at < text.length; at += pieceChars) {
    if (detector.push(text.slice(at, at + pieceChars))) return Math.min(at + pieceChars, text.length);
  }
  return -1;
}

/** Text that never repeats itself: the numbers, one after the other. */
function counting(chars: number, from = 1): string {
  let text = '';
  for (let number = from; text.length < chars; number++) text += `${number} `;
  return text.slice(0, chars);
}

const UNIT = counting(200);

test.each([
  ['the same 200 characters', UNIT],
  ['a line break', '\n'],
  ['a blank', ' '],
  ['two characters', 'ha'],
  ['a sentence of 37 characters', 'I am sorry, but I cannot help there. '],
  ['a word of 199', counting(199)],
  ['Cyrillic', 'Я не знаю, что сказать. '],
  ['a llama, which is two code units', '🦙'],
])('%s, again and again, is found as soon as a thousand characters of it have come', (_what, unit) => {
  for (const before of ['', 'x', counting(12_345, 5000), counting(60_001, 5000)]) {
    const found = foundAfter(before + unit.repeat(2000));
    expect(found).toBeGreaterThanOrEqual(before.length + 1000);
    // Looked for every 50 characters, and told at the end of a piece.
    expect(found).toBeLessThan(before.length + 1000 + 50 + 7 + unit.length);
  }
});

test.each([201, 450, 999, 2500, 4000])(
  'a unit of %i characters is found once it came five times',
  (chars) => {
    const before = counting(3333, 70_000);
    const found = foundAfter(before + counting(chars).repeat(20));
    expect(found).toBeGreaterThanOrEqual(before.length + 5 * chars);
    expect(found).toBeLessThan(before.length + 5 * chars + 1000 + 200);
  },
);

test.each([
  ['the same 200 characters four times', `${UNIT.repeat(4)}${counting(5000, 9000)}`],
  ['999 line breaks', `${'\n'.repeat(999)}and then text ${counting(3000, 9000)}`],
  ['a page of 4000 characters four times', `${counting(4000).repeat(4)}${counting(30_000, 90_000)}`],
  ['a text that goes on', counting(200_000)],
  [
    'a long table with columns that are all alike but one',
    Array.from({ length: 2000 }, (_, row) => `| ${row} | yes | no | 0.00 | n/a | - |\n`).join(''),
  ],
  [
    'code with the same line over and over, but for a number',
    Array.from({ length: 1500 }, (_, line) => `  expect(sum(${line}, 0)).toBe(${line});\n`).join(''),
  ],
  ['an array of 300 zeros', `const a = [${'0, '.repeat(300)}];\n${counting(4000, 9000)}`],
  ['a ruler of 900 dashes', `${'-'.repeat(900)}\n${counting(4000, 9000)}`],
])('%s goes through', (_what, text) => {
  expect(foundAfter(text)).toBe(-1);
  expect(foundAfter(text, text.length)).toBe(-1);
});

test('it is found at the same place however the text is cut', () => {
  const text = counting(7777, 3000) + 'again and again, '.repeat(200);
  const cuts = [1, 2, 3, 10, 49, 50, 51, 999, 1000, 4096];
  const place = foundAfter(text, 1);
  const places = cuts.map((chars) => Math.min(Math.ceil(place / chars) * chars, text.length));
  const found = cuts.map((chars) => foundAfter(text, chars));
  expect(found).toEqual(places);
});

test.each([
  ['text that goes on', (chars: number) => counting(chars)],
  ['one letter with a number now and then', (chars: number) => numbered('a'.repeat(990), chars)],
  ['long units with a number in between', (chars: number) => numbered(counting(3990), chars)],
])('%s takes time in proportion to its length', (_what, make) => {
  const cpuMs = (chars: number) => {
    const text = make(chars);
    const detector = new RepetitionDetector();
    let found = false;
    const before = process.cpuUsage();
    for (let at = 0; at < text.length; at += 5) found ||= detector.push(text.slice(at, at + 5));
    const { user, system } = process.cpuUsage(before);
    expect(found).toBe(false);
    return (user + system) / 1000;
  };
  cpuMs(50_000);
  // Twenty times as much; were each character held against all before it, it would take four hundred times.
  expect(cpuMs(1_000_000)).toBeLessThan(100 * Math.max(10, cpuMs(50_000)));
});

/** The unit, each time with the next number behind it. */
function numbered(unit: string, chars: number): string {
  let text = '';
  for (let number = 1; text.length < chars; number++) text += unit + String(number).padStart(10, '0');
  return text.slice(0, chars);
}

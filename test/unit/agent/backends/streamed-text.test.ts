import { expect, test } from 'vitest';
import { StreamedText } from '../../../../src/agent/backends/streamed-text.js';

/** How many of these pieces are taken before it is over; -1: all. */
function overAfter(pieces: Iterable<string>, isJson = true): number {
  const text = new StreamedText(isJson);
  let taken = 0;
  for (const content of pieces) {
    taken += 1;
    if (text.take({ content, thinking: '' })) return taken;
  }
  return -1;
}

test.each([
  '{"a": [1, 2, {"b": "}"}]}',
  '[]',
  '"a string"',
  '42',
  'true',
  '```json\n{"a": 1}\n```',
  '<think>what is it?</think>\n{"a": 1}',
  '[THINK]{"no": true}[/THINK]{"a": 1}',
])('behind %j nothing but white space comes, which ends it soon', (json) => {
  expect(overAfter([json, ...'\n'.repeat(10_000)])).toBe(1 + 64);
  expect(overAfter([...json, ...' \t\r\n'.repeat(2500)])).toBe(json.length + 64);
  expect(overAfter([json + '\n'.repeat(64)])).toBe(1);
});

test.each([
  ['a few line breaks behind it', ['{"a": 1}', '\n\n  ', '\n']],
  ['white space within it', ['{"a":', ' '.repeat(500), '1}', '\n']],
  [
    'columns that are filled up with blanks',
    ['[\n', ...Array.from({ length: 50 }, (_, at) => `${at},${' '.repeat(200)}\n`), '1]'],
  ],
])('%s is no end', (_what, pieces) => {
  expect(overAfter(pieces)).toBe(-1);
});

test('white space before its end ends it as any other repetition does', () => {
  expect(overAfter(['{"a": 1', ...' '.repeat(5000)])).toBeGreaterThan(1000);
});

test('a text that is to be no JSON may be one, with white space behind it', () => {
  expect(overAfter(['{"a": 1}', ...'\n'.repeat(900), 'And so on.'], false)).toBe(-1);
});

test('a JSON that is complete late is found, in time in proportion to its length', () => {
  const gap = ' '.repeat(65);
  // Looked at at every gap, it would take 15,000 readings of a megabyte.
  const numbers = Array.from({ length: 15_000 }, (_, at) => `${at},${gap}`);
  const pieces = [`{"a": [`, ...numbers, `1]}`, ...'\n'.repeat(900)];
  const before = process.cpuUsage();
  const over = overAfter(pieces);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(20);
  // At the latest as any other repetition.
  expect(over === -1 || over > 15_000).toBe(true);
});

test('a repetition in the thinking ends it, too', () => {
  const text = new StreamedText(false);
  let chars = 0;
  while (!text.take({ content: '', thinking: 'Wait, no. ' })) chars += 10;
  expect(chars).toBeLessThan(1100);
  expect(text.thinking.startsWith('Wait, no. Wait, no.')).toBe(true);
});

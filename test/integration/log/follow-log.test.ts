import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readLogLines } from '../../../src/log/follow-log.js';
import { tempDir } from '../../support/temp-dir.js';

/** Lines of some ten kilobytes, so that a few dozen are more than is read at a time. */
const lineOf = (number: number) => `${number} ${'x'.repeat(10_000)}`;

async function logOf(lines: number, torn = ''): Promise<string> {
  const file = join(await tempDir(), 'answers.log');
  const text = Array.from({ length: lines }, (_, index) => `${lineOf(index + 1)}\n`).join('');
  await writeFile(file, text + torn);
  return file;
}

async function newest(file: string, count: number): Promise<string[]> {
  const found: string[] = [];
  const { signal } = new AbortController();
  for await (const line of readLogLines(file, { follow: false, signal, newest: count })) found.push(line);
  return found.map((line) => line.split(' ')[0] ?? '');
}

test.each([
  [0, []],
  [1, ['60']],
  [3, ['58', '59', '60']],
])('the newest %d of sixty lines', async (count, expected) => {
  expect(await newest(await logOf(60), count)).toEqual(expected);
  // A line that is still being written is none of them.
  expect(await newest(await logOf(60, '{"half'), count)).toEqual(expected);
});

test('the newest that are more than one read brings, and more than there are', async () => {
  const file = await logOf(60);
  expect(await newest(file, 50)).toEqual(Array.from({ length: 50 }, (_, index) => String(index + 11)));
  expect(await newest(file, 60)).toHaveLength(60);
  expect(await newest(file, 1000)).toHaveLength(60);
  expect(await newest(await logOf(0), 5)).toEqual([]);
});

test('what comes after the newest follows them, each line once', async () => {
  const file = await logOf(60);
  const stop = new AbortController();
  const found: string[] = [];
  for await (const line of readLogLines(file, { follow: true, signal: stop.signal, newest: 2 })) {
    found.push(line.split(' ')[0] ?? '');
    if (found.length === 2) await appendFile(file, `${lineOf(61)}\n`);
    if (found.length === 3) stop.abort();
  }
  expect(found).toEqual(['59', '60', '61']);
});

test('a log whose folder is exchanged is followed on, and so is one that is away for a while', async () => {
  const file = await logOf(1);
  const folder = dirname(file);
  const stop = new AbortController();
  const found: string[] = [];
  for await (const line of readLogLines(file, { follow: true, signal: stop.signal })) {
    found.push(line);
    if (found.length === 1) {
      await mkdir(`${folder}.new`);
      await writeFile(join(`${folder}.new`, 'answers.log'), 'two\n');
      await rename(folder, `${folder}.old`);
      await rename(`${folder}.new`, folder);
    }
    if (found.length === 2) {
      await rm(file);
      setTimeout(() => void writeFile(file, 'three\n'), 300);
    }
    if (found.length === 3) stop.abort();
  }
  expect(found.slice(1)).toEqual(['two', 'three']);
  await rm(`${folder}.old`, { recursive: true });
});

test('of a hundred thousand records the newest that are wanted are found from the end, and a time by a search', async () => {
  const file = join(await tempDir(), 'answers.log');
  const START = Date.UTC(2026, 0, 1);
  const record = (number: number) =>
    JSON.stringify({
      number,
      text: 'x'.repeat(number % 300),
      ingested_at: new Date(START + number * 60_000).toISOString(),
    });
  const COUNT = 100_000;
  await writeFile(file, `${Array.from({ length: COUNT }, (_, at) => record(at)).join('\n')}\n{"torn`);
  const { signal } = new AbortController();
  let looked = 0;
  const numbersOf = async (range: { newest?: number; sinceMs?: number; every?: number }) => {
    const { every = 1, ...rest } = range;
    looked = 0;
    const wanted = (line: string) => {
      looked += 1;
      return JSON.parse(line).number % every === 0;
    };
    const found: number[] = [];
    for await (const line of readLogLines(file, { follow: false, signal, wanted, ...rest }))
      found.push(JSON.parse(line).number);
    return found;
  };

  expect(await numbersOf({ newest: 3, every: 1000 })).toEqual([97_000, 98_000, 99_000]);
  // Back to the third of them, and forth again.
  expect(looked).toBe(2 * 3_000);
  expect(await numbersOf({ newest: 0 })).toEqual([]);
  const sinceMs = START + (COUNT - 4) * 60_000 + 1;
  expect(await numbersOf({ sinceMs })).toEqual([99_997, 99_998, 99_999]);
  expect(await numbersOf({ sinceMs, newest: 2 })).toEqual([99_998, 99_999]);
  expect(await numbersOf({ sinceMs, newest: 50, every: 2 })).toEqual([99_998]);
  expect(looked).toBe(2 * 3);
  expect(await numbersOf({ sinceMs: START + COUNT * 60_000 })).toEqual([]);
  expect(await numbersOf({ sinceMs: START - 1, newest: 1 })).toEqual([99_999]);
});

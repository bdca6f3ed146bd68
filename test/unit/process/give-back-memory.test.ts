import { getHeapStatistics } from 'node:v8';
import { expect, test } from 'vitest';
import { giveBackMemory, SMALL_HEAP_BYTES } from '../../../src/process/give-back-memory.js';

const size = () => getHeapStatistics().total_heap_size;

test('a heap that has grown by what is garbage by now is given back', async () => {
  // Garbage of earlier files is collected first: a heap that holds it grows by less than it is given.
  expect(await giveBackMemory(0)).toBe(true);
  const before = size();
  let held: number[][] | null = Array.from({ length: 40 }, () => new Array<number>(250_000).fill(1.5));
  const grown = size();
  expect(grown - before).toBeGreaterThan(2 * SMALL_HEAP_BYTES);
  expect(held).toHaveLength(40);
  held = null;
  expect(await giveBackMemory()).toBe(true);
  expect(grown - size()).toBeGreaterThan(2 * SMALL_HEAP_BYTES);
});

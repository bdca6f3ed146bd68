import { expect, test } from 'vitest';
import { lookAhead } from '../../../src/log/walk-answers.js';

test('a short sequence is known whole and still read from its beginning', async () => {
  const { numbers } = source(3);
  const ahead = await lookAhead(numbers, 3);
  expect(ahead.seen).toEqual([1, 2, 3]);
  expect(await collect(ahead.all)).toEqual([1, 2, 3]);
});

test('a longer one is not known, and nothing of it is lost', async () => {
  const { numbers, given } = source(1000);
  const ahead = await lookAhead(numbers, 3);
  expect(ahead.seen).toBeNull();
  expect(given()).toBe(4);
  expect(await collect(ahead.all)).toHaveLength(1000);
});

test('a reader that stops early ends the source', async () => {
  const { numbers, isEnded } = source(1000);
  const ahead = await lookAhead(numbers, 3);
  for await (const number of ahead.all) if (number === 2) break;
  expect(isEnded()).toBe(true);
});

test('a source that fails while it is looked at says so', async () => {
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    throw new Error('no such commit');
  }
  await expect(lookAhead(failing(), 3)).rejects.toThrow('no such commit');
});

function source(count: number) {
  let given = 0;
  let isEnded = false;
  async function* numbers(): AsyncGenerator<number> {
    try {
      for (let number = 1; number <= count; number += 1) {
        given += 1;
        yield number;
      }
    } finally {
      isEnded = true;
    }
  }
  return { numbers: numbers(), given: () => given, isEnded: () => isEnded };
}

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of all) found.push(one);
  return found;
}

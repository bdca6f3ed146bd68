import { expect, test } from 'vitest';
import { RecentObjects } from '../../../../src/agent/clone/recent-objects.js';

const idOf = (number: number) => number.toString(16).padStart(40, '0');

function blob(number: number, bytes = 4) {
  return { info: { id: idOf(number), type: 'blob' as const, size: bytes }, content: Buffer.alloc(bytes, 97) };
}

test('an object is kept by its id, and by nothing that may name another tomorrow', () => {
  const objects = new RecentObjects();
  objects.add(idOf(1), blob(1));
  objects.add('refs/heads/main', blob(2));
  objects.add(`${idOf(3)}:inbox.json`, blob(4));
  expect(objects.get(idOf(1))?.content.toString()).toBe('aaaa');
  expect(objects.get('refs/heads/main')).toBeUndefined();
  expect(objects.get(`${idOf(3)}:inbox.json`)).toBeUndefined();
});

test('no more than 32 are kept, the last ones, and none of more than 16 KiB', () => {
  const objects = new RecentObjects();
  for (let number = 0; number < 40; number += 1) objects.add(idOf(number), blob(number));
  objects.add(idOf(99), blob(99, 16 * 1024 + 1));
  const kept = Array.from({ length: 100 }, (_, number) => objects.get(idOf(number)) !== undefined);
  expect(kept.filter(Boolean)).toHaveLength(32);
  expect([kept[7], kept[8], kept[39], kept[99]]).toEqual([false, true, true, false]);
});

test('what is kept does not hold the buffer that it came in', () => {
  const objects = new RecentObjects();
  const whole = Buffer.alloc(1024 * 1024, 98);
  objects.add(idOf(1), { ...blob(1), content: whole.subarray(0, 4) });
  expect(objects.get(idOf(1))?.content.buffer.byteLength).toBeLessThan(100_000);
});

test('a clone that is made again begins with none', () => {
  const objects = new RecentObjects();
  objects.add(idOf(1), blob(1));
  objects.clear();
  expect(objects.get(idOf(1))).toBeUndefined();
});

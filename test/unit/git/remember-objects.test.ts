import { expect, test } from 'vitest';
import type { ObjectInfo } from '../../../src/git/git-objects.js';
import type { ObjectReader } from '../../../src/git/object-reader.js';
import { rememberObjects } from '../../../src/git/remember-objects.js';

const SMALL = 'a'.repeat(40);
const LARGE = 'b'.repeat(64);

/** A reader of these objects that says what it was asked. */
function asked(sizes: Readonly<Record<string, number>>) {
  const questions: string[] = [];
  const infoOf = (id: string): ObjectInfo | null =>
    sizes[id] === undefined ? null : { id, type: 'blob', size: sizes[id] };
  const reader: ObjectReader = {
    info: async (id) => {
      questions.push(`info ${id}`);
      return infoOf(id);
    },
    read: async (id, maxBytes = Number.POSITIVE_INFINITY) => {
      questions.push(maxBytes === Number.POSITIVE_INFINITY ? `read ${id}` : `read ${id} within ${maxBytes}`);
      const info = infoOf(id);
      return info === null || info.size > maxBytes ? null : { info, content: Buffer.alloc(info.size, 'x') };
    },
    readSmall: async () => [],
    warm: () => {},
    close: () => {},
  };
  return { reader: rememberObjects(reader), questions };
}

test('a small object is asked for once, by its full id, and its bound counts each time', async () => {
  const { reader, questions } = asked({ [SMALL]: 300 });
  const first = await reader.read(SMALL);
  expect(first?.content).toEqual(Buffer.alloc(300, 'x'));
  expect(await reader.read(SMALL, 300)).toEqual(first);
  expect(await reader.read(SMALL, 299)).toBeNull();
  expect(await reader.info(SMALL)).toEqual({ id: SMALL, type: 'blob', size: 300 });
  expect(questions).toEqual([`read ${SMALL}`]);
});

test('a size that is known is not asked for again, and what is too large is not read', async () => {
  const { reader, questions } = asked({ [LARGE]: 5000 });
  expect((await reader.info(LARGE))?.size).toBe(5000);
  expect((await reader.info(LARGE))?.size).toBe(5000);
  expect(await reader.read(LARGE, 4999)).toBeNull();
  expect((await reader.read(LARGE, 5000))?.content).toHaveLength(5000);
  expect(questions).toEqual([`info ${LARGE}`, `read ${LARGE}`]);
});

test.each([
  ['a large object', LARGE, { [LARGE]: 5000 }],
  ['a ref, which may move', 'refs/heads/main', { 'refs/heads/main': 300 }],
  ['a short id', 'abcdef', { abcdef: 300 }],
  ['what is not there, and may come', SMALL, {}],
])('%s is asked for each time', async (_what, name, sizes) => {
  const { reader, questions } = asked(sizes);
  await reader.read(name);
  await reader.read(name);
  expect(questions).toEqual([`read ${name}`, `read ${name}`]);
});

test('of many the last are kept', async () => {
  const ids = Array.from({ length: 5000 }, (_, at) => at.toString(16).padStart(40, '0'));
  const { reader, questions } = asked(Object.fromEntries(ids.map((id) => [id, 10])));
  for (const id of ids) await reader.read(id);
  await reader.read(ids.at(-1) ?? '');
  expect(questions).toHaveLength(5000);
  await reader.read(ids[0] ?? '');
  expect(questions).toHaveLength(5001);
});

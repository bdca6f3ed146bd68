import { expect, test } from 'vitest';
import { ask, createAgent } from '../../../src/index.js';
import { helloSchema } from '../../../src/protocol/hello.js';
import { commitIdSchema, principalNameSchema, shortId } from '../../../src/protocol/names.js';
import { taskHash } from '../../../src/protocol/task.js';

test.each(['home-pc', 'a', '0', 'Bot_1.x', 'x'.repeat(64)])('%s is a name', (name) => {
  expect(principalNameSchema.safeParse(name).success).toBe(true);
});

test.each([
  '',
  '-a',
  '.a',
  'a.',
  'a..b',
  'a.lock',
  '_a',
  'a b',
  'a/b',
  'a\n',
  'é',
  'a<b',
  'x'.repeat(65),
  "a'b",
  'a$b',
])('%j is no name', (name) => {
  expect(principalNameSchema.safeParse(name).success).toBe(false);
});

test('whoever asks or answers by a name in a program is held to the same', async () => {
  for (const name of ['dot.', 'a..b', 'x.lock', 'a b']) {
    const wrong = { code: 'usage', message: expect.stringContaining('is no name for') };
    expect(() => createAgent({ repo: '/nowhere/bridge.git', name })).toThrow(expect.objectContaining(wrong));
    await expect(ask({ repo: '/nowhere/bridge.git', name, task: { prompt: '2+2' } })).rejects.toMatchObject(
      wrong,
    );
  }
});

test('a commit id has 40 or 64 lower-case hex digits', () => {
  for (const good of ['a'.repeat(40), '0'.repeat(64)])
    expect(commitIdSchema.safeParse(good).success).toBe(true);
  for (const bad of ['a'.repeat(39), 'a'.repeat(41), 'A'.repeat(40), `${'a'.repeat(40)}\n`, 'main'])
    expect(commitIdSchema.safeParse(bad).success).toBe(false);
  expect(shortId('0123456789')).toBe('01234567');
});

test('the hash of a task is the SHA-256 of its bytes', () => {
  expect(taskHash(Buffer.from('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

test('a greeting of a later server with a field more is still read', () => {
  const hello = {
    name: 'home-pc',
    role: 'agent',
    protocol: 2,
    time: '2026-11-22T17:02:27.123Z',
    task_ttl: '7d',
    max_task_bytes: 1,
    max_answer_bytes: 1,
    features: [],
  };
  expect(helloSchema.parse({ ...hello, tokens: true })).toEqual(hello);
  expect(helloSchema.safeParse({ ...hello, role: 'root' }).success).toBe(false);
});

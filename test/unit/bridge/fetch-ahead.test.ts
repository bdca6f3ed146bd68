import { expect, test } from 'vitest';
import { readReply } from '../../../src/bridge/fetch-ahead.js';

const ID = 'a'.repeat(40);
const pack = Buffer.from('PACK\0\0\0\x02\0\0\0\0\xff\xfe', 'latin1');
const reply = (...parts: readonly (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));

test.each([
  ['an id and a pack', reply(`${ID}\n`, pack), ID],
  ['an id of 64 digits', reply(`${ID}${'b'.repeat(24)}\n`, pack), `${ID}${'b'.repeat(24)}`],
  ['behind what a shell printed', reply(`Welcome\n${'c'.repeat(40)}\n${ID}\n`, pack), ID],
])('%s', (_what, bytes, tip) => {
  expect(readReply(bytes)).toEqual({ tip, pack });
});

test.each([
  ['nothing', reply()],
  ['an id alone', reply(`${ID}\n`)],
  ['a pack alone', reply(pack)],
  ['an id of capital letters', reply(`${ID.toUpperCase()}\n`, pack)],
  ['an id with a digit too many', reply(`${ID}a\n`, pack)],
  ['a line between the two', reply(`${ID}\n\n`, pack)],
  ['a refusal', reply('llm-bridge: this key opens no shell\n')],
])('no reply: %s', (_what, bytes) => {
  expect(readReply(bytes)).toBeNull();
});

import { expect, test } from 'vitest';
import { asUtf8 } from '../../../src/protocol/as-utf8.js';

const TEXT = 'Сколько будет 2+2? 🦙\r\n';
const le = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');
const be = (text: string) => le(text).swap16();

test.each([
  ['UTF-8', Buffer.from(TEXT)],
  ['UTF-8 with a mark', Buffer.from(`\ufeff${TEXT}`)],
  ['marked files that were put together', Buffer.from(`\ufeff\ufeff${TEXT}`)],
  ['UTF-16, the low byte first', le(TEXT)],
  ['UTF-16, the high byte first', be(TEXT)],
])('%s becomes UTF-8 without a mark', (_name, bytes) => {
  const before = Buffer.from(bytes);
  expect(asUtf8(bytes, 'f').toString('utf8')).toBe(TEXT);
  expect(bytes.equals(before)).toBe(true);
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a mark in the middle', Buffer.from('a\ufeffb')],
  ['bytes that are no text', Buffer.from([0xc3, 0x28, 0xff])],
  ['UTF-16 without a mark', Buffer.from('ab', 'utf16le')],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0])],
  ['half a mark', Buffer.from([0xef, 0xbb])],
])('%s stays as it is', (_name, bytes) => {
  expect(asUtf8(bytes, 'f').equals(bytes)).toBe(true);
});

test.each([
  ['that ends in half a character', le('ab').subarray(0, -1)],
  ['with half of a pair', le('\ud83e')],
  ['with half of a pair, the high byte first', be('\ud83e')],
])('UTF-16 %s is refused by the name of the file', (_name, bytes) => {
  expect(() => asUtf8(bytes, 'task.txt')).toThrow(/^task\.txt begins as UTF-16, and is damaged$/);
});

import { expect, test } from 'vitest';
import { hasPassword, hidePasswords } from '../../../src/process/hide-passwords.js';

test.each([
  ['https://name:secret@host/b.git', 'https://…@host/b.git'],
  [
    "fatal: unable to access 'https://n:secret@host/b.git/': x",
    "fatal: unable to access 'https://…@host/b.git/': x",
  ],
  ['http://:secret@host/', 'http://…@host/'],
  ['https://n:p@secret@host/', 'https://…@host/'],
  ['https://n:secret%40@h/ and ssh://m:secret@k/', 'https://…@h/ and ssh://…@k/'],
  ['"repo":"https://n:secret@h/b"', '"repo":"https://…@h/b"'],
])('%s is shown as %s', (text, shown) => {
  expect(hidePasswords(text)).toBe(shown);
  expect(hasPassword(text)).toBe(true);
});

test.each([
  'ssh://bridge@server:22/srv/b.git',
  'https://name@host/b.git',
  'http://[::1]:11434/v1',
  'bridge@server:/srv/b.git',
  'a:b@c',
])('%s has no password, and stays', (text) => {
  expect([hidePasswords(text), hasPassword(text)]).toEqual([text, false]);
});

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  excerpt,
  isBlank,
  isWellFormed,
  isWellFormedJson,
  lengthOf,
  textOf,
  toWellFormed,
  toWellFormedJson,
  WHITE_SPACE,
} from '../../../src/protocol/text.js';

/** Of all planes, lone surrogates included. */
const anyText = fc.string({ unit: 'binary', maxLength: 40 });

test('white space is the list, whatever the language calls so, for trim and for a pattern', () => {
  const listed = (code: number) => WHITE_SPACE.some(([first, last]) => code >= first && code <= last);
  for (let code = 0; code <= 0x10ffff; code++) {
    const char = String.fromCodePoint(code);
    if (isBlank(char) !== listed(code) || /^\s$/u.test(char) !== listed(code)) expect(code).toBe('as listed');
  }
});

test('a length counts code points, and a bound is inclusive', () => {
  expect(lengthOf('a🦙\u0301')).toBe(3);
  fc.assert(
    fc.property(anyText, (text) => {
      expect(lengthOf(text)).toBe([...text].length);
    }),
  );
  for (const unit of ['a', 'д', '🦙']) {
    const schema = textOf(1, 4);
    const takes = (count: number) => schema.safeParse(unit.repeat(count)).success;
    expect([0, 1, 4, 5].map(takes)).toEqual([false, true, true, false]);
  }
});

test('an excerpt has at most so many characters and never half of one', () => {
  expect(excerpt('abc', 3)).toBe('abc');
  expect(excerpt('abcd', 3)).toBe('ab…');
  expect(excerpt('a😀bc', 3)).toBe('a😀…');
  expect(excerpt('😀😀😀', 3)).toBe('😀😀😀');
  expect(excerpt('😀😀😀😀', 3)).toBe('😀😀…');
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 50 }), (text, max) => {
      const all = [...text];
      const expected = all.length <= max ? text : `${all.slice(0, max - 1).join('')}…`;
      expect(excerpt(text, max)).toBe(expected);
    }),
  );
});

test('a text is well-formed where UTF-8 can have it, and is made so as UTF-8 would', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const throughUtf8 = Buffer.from(text).toString();
      expect(isWellFormed(text)).toBe(throughUtf8 === text);
      expect(toWellFormed(text)).toBe(throughUtf8);
    }),
  );
  expect(toWellFormed('\ud83e\ud83e\udd99\udd99')).toBe('\ufffd🦙\ufffd');
});

test('so are all texts in a value, its keys looked at too', () => {
  expect(isWellFormedJson({ a: ['🦙', { b: null, c: 1 }] })).toBe(true);
  expect(isWellFormedJson({ a: ['x', { b: '\ud800' }] })).toBe(false);
  expect(isWellFormedJson({ a: [{ '\udc00': 1 }] })).toBe(false);
  expect(toWellFormedJson({ a: ['\ud800', 1, null, { b: 'x\udc00' }], c: true })).toEqual({
    ...{ a: ['\ufffd', 1, null, { b: 'x\ufffd' }], c: true },
  });
});

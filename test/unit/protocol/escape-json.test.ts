import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringifyEscaped } from '../../../src/protocol/strict-json.js';

test('what breaks lines or turns text round is escaped, and other text stays readable', () => {
  expect(stringifyEscaped('Привет\u0085\u2028\u2029\u007f\u202e\ufeff😀')).toBe(
    '"Привет\\u0085\\u2028\\u2029\\u007f\\u202e\\ufeff😀"',
  );
});

test('every value is the same again when it is read', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      expect(JSON.parse(stringifyEscaped(value, indent))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

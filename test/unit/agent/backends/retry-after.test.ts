import { expect, test } from 'vitest';
import { readRetryAfter } from '../../../../src/agent/backends/server-error.js';

const now = Date.parse('2026-11-26T17:29:00Z');

test.each([
  ['0', 0],
  ['120', 120_000],
  [' 7 ', 7000],
  ['Thu, 26 Nov 2026 17:30:00 GMT', 60_000],
  ['Thursday, 26-Nov-26 17:30:00 GMT', 60_000],
  ['Thu Nov 26 17:30:00 2026', 60_000],
  ['Thu, 26 Nov 2015 17:30:00 GMT', 0],
])('%j is %i milliseconds', (value, ms) => {
  expect(readRetryAfter(value, now)).toBe(ms);
});

test.each([
  null,
  '',
  '-1',
  '+5',
  '1.5',
  '1e9',
  'NaN',
  'Infinity',
  '0x10',
  '9'.repeat(400),
  'soon',
  'Thu, 99 Foo 2026 99:99:99 GMT',
  '2026-11-26T17:30:00Z',
])('%j says nothing', (value) => {
  expect(readRetryAfter(value, now)).toBeNull();
});

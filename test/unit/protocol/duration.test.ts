import { expect, test } from 'vitest';
import { formatAge, formatDuration, parseDurationMs } from '../../../src/protocol/duration.js';

test.each([
  ['90', 90_000],
  ['90s', 90_000],
  ['15m', 900_000],
  ['12h', 43_200_000],
  ['7d', 604_800_000],
  ['2w', 1_209_600_000],
  [' 1d\n', 86_400_000],
])('%j is %i ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each(['', 'd', '-1', '1.5h', '1 h', '1y', '1d2h', '0x10', '1e3', '１', '9999999999'])(
  '%j is no duration',
  (text) => {
    expect(parseDurationMs(text)).toBeNull();
  },
);

test.each([
  [0, '0 ms'],
  [812.4, '812 ms'],
  [1000, '1 s'],
  [119_000, '119 s'],
  [300_000, '5 min'],
  [3 * 3_600_000, '3 h'],
  [7 * 86_400_000, '7 d'],
])('%f ms reads as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [0, 'under 1 s'],
  [999, 'under 1 s'],
  [1000, '1 s'],
  [7_200_000, '2 h'],
])('an age of %i ms is told as %j', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});

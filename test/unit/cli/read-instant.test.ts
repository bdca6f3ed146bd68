import { expect, test } from 'vitest';
import { readInstant } from '../../../src/cli/read-instant.js';

/** In the zone of this machine, whichever that is. */
const NOW = new Date(2026, 10, 27, 15, 30, 45, 123);
const at = (...parts: [number, number, number, number?, number?, number?]) => new Date(...parts).getTime();

test.each([
  ['2026-11-26', at(2026, 10, 26), at(2026, 10, 27)],
  ['today', at(2026, 10, 27), at(2026, 10, 28)],
  ['yesterday', at(2026, 10, 26), at(2026, 10, 27)],
  ['Now', NOW.getTime(), NOW.getTime()],
  ['2026-11-26T09:30', at(2026, 10, 26, 9, 30), at(2026, 10, 26, 9, 30)],
  ['2026-11-26 09:30:15', at(2026, 10, 26, 9, 30, 15), at(2026, 10, 26, 9, 30, 15)],
  [
    '2026-11-26T09:30:15.250Z',
    Date.UTC(2026, 10, 26, 9, 30, 15, 250),
    Date.UTC(2026, 10, 26, 9, 30, 15, 250),
  ],
  ['2026-11-26 09:30 +0300', Date.UTC(2026, 10, 26, 6, 30), Date.UTC(2026, 10, 26, 6, 30)],
  ['2026-11-26T09:30-05:00', Date.UTC(2026, 10, 26, 14, 30), Date.UTC(2026, 10, 26, 14, 30)],
  ['1 day ago', NOW.getTime() - 86_400_000, NOW.getTime() - 86_400_000],
  ['2.weeks.ago', NOW.getTime() - 14 * 86_400_000, NOW.getTime() - 14 * 86_400_000],
  ['90 Minutes Ago', NOW.getTime() - 5_400_000, NOW.getTime() - 5_400_000],
  ['12h', NOW.getTime() - 12 * 3_600_000, NOW.getTime() - 12 * 3_600_000],
])('%s is a point in time, and of a day --until means the end', (text, since, until) => {
  expect(readInstant(text, NOW)).toBe(since);
  expect(readInstant(text, NOW, true)).toBe(until);
});

test('months and years ago are of the calendar', () => {
  expect(new Date(readInstant('3 months ago', NOW) ?? 0).getMonth()).toBe(7);
  expect(new Date(readInstant('1 year ago', NOW) ?? 0).getFullYear()).toBe(2025);
});

test.each([
  ...[
    '',
    'tomorrow-ish',
    '2026-13-01',
    '2026-02-30',
    '2026-11-26T25:00',
    '26.11.2026',
    'ago',
    '2 fortnights ago',
  ],
  ...['-3 days ago', '1e9', '99999999 days ago', '2026-11-26T09:30+99:99', `${'9'.repeat(10_000)} days ago`],
])('%j is none', (text) => {
  expect(readInstant(text, NOW)).toBeNull();
});

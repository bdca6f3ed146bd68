import { expect, test } from 'vitest';
import { pairOrder, quantile, summarise } from '../../bench/statistics.js';

test('the median lies between the two in the middle, and the order does not matter', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([30, 10, 20], 0.5)).toBe(20);
});

test('the 95th percentile of a hundred values is near the top', () => {
  const values = Array.from({ length: 101 }, (_, index) => index);
  expect(summarise(values)).toEqual({ count: 101, median: 50, p95: 95 });
});

test('nothing measured is no number', () => {
  expect(summarise([]).median).toBeNaN();
});

test('pairs take turns at coming first', () => {
  expect([0, 1, 2, 3].map((run) => pairOrder(run).join(''))).toEqual(['ab', 'ba', 'ab', 'ba']);
});

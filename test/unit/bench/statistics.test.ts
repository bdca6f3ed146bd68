import { expect, test } from 'vitest';
import { pairOrder, quantile, roundOrder, summarise } from '../../bench/statistics.js';

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

test('in rounds each thing comes once, and each is as often in front of another as behind it', () => {
  for (const count of [2, 3, 5]) {
    const places = Array.from({ length: count }, () => 0);
    let ahead = 0;
    for (let round = 0; round < 2 * count; round += 1) {
      const order = roundOrder(count, round);
      expect([...order].sort()).toEqual([...places.keys()]);
      for (const [place, index] of order.entries()) places[index] = (places[index] ?? 0) + place;
      ahead += order.indexOf(0) < order.indexOf(1) ? 1 : -1;
    }
    expect(new Set(places).size).toBe(1);
    expect(ahead).toBe(0);
  }
});

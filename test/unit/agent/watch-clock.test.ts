import { expect, test } from 'vitest';
import { watchClock } from '../../../src/agent/learn-terms.js';

test('a clock that is set in either direction has jumped, once; one that only runs has not', () => {
  let wall = 1_000_000;
  let timer = 500;
  const clock = watchClock(
    () => wall,
    () => timer,
  );
  const run = (ms: number) => {
    wall += ms;
    timer += ms;
  };
  run(3_600_000);
  expect(clock.jumped()).toBe(false);
  wall += 60_000;
  expect(clock.jumped()).toBe(true);
  expect(clock.jumped()).toBe(false);
  wall -= 86_400_000;
  expect(clock.jumped()).toBe(true);
  run(10);
  expect(clock.jumped()).toBe(false);
});

test('a drift of seconds over days counts once it is seconds', () => {
  let drift = 0;
  const clock = watchClock(
    () => 1_000_000 + drift,
    () => 0,
  );
  const jumps: number[] = [];
  for (drift = 0; drift <= 12_000; drift += 1_000) if (clock.jumped()) jumps.push(drift);
  expect(jumps).toEqual([6_000, 12_000]);
});

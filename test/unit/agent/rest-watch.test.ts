import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { REST_AFTER_MS, type RestWatch, watchRest } from '../../../src/agent/rest-watch.js';

let rests: number;
let watch: RestWatch;

beforeEach(() => {
  vi.useFakeTimers();
  rests = 0;
  watch = watchRest(() => {
    rests += 1;
  }, REST_AFTER_MS);
});

afterEach(() => {
  vi.useRealTimers();
});

test('a rest comes once after work, however often it is said that there is none', () => {
  watch.busy(true);
  watch.busy(false);
  vi.advanceTimersByTime(REST_AFTER_MS - 1);
  watch.busy(false);
  expect(rests).toBe(0);
  vi.advanceTimersByTime(1);
  expect(rests).toBe(1);
  watch.busy(false);
  vi.advanceTimersByTime(10 * REST_AFTER_MS);
  expect(rests).toBe(1);
  watch.busy(true);
  watch.busy(false);
  vi.advanceTimersByTime(REST_AFTER_MS);
  expect(rests).toBe(2);
});

test('the start counts as work', () => {
  watch.busy(false);
  vi.advanceTimersByTime(REST_AFTER_MS);
  expect(rests).toBe(1);
});

test('work in between puts it off', () => {
  watch.busy(false);
  vi.advanceTimersByTime(REST_AFTER_MS - 1);
  watch.busy(true);
  vi.advanceTimersByTime(REST_AFTER_MS);
  expect(rests).toBe(0);
  watch.busy(false);
  vi.advanceTimersByTime(REST_AFTER_MS - 1);
  expect(rests).toBe(0);
});

test('none comes after the end', () => {
  watch.busy(false);
  watch.close();
  vi.advanceTimersByTime(REST_AFTER_MS);
  expect(rests).toBe(0);
});

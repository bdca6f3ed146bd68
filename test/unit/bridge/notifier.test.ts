import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { createBell } from '../../../src/bridge/notifier.js';

test('a ring wakes the one who waits', async () => {
  const bell = createBell();
  const waiting = bell.wait(60_000);
  bell.ring();
  expect(await waiting).toBe('rung');
});

test('rings while nobody waits are kept as one', async () => {
  const bell = createBell();
  bell.ring();
  bell.ring();
  expect(await bell.wait(60_000)).toBe('rung');
  expect(await bell.wait(1)).toBe('timeout');
});

test('an abort ends the wait, also one from before, and leaves no listener', async () => {
  const bell = createBell();
  const controller = new AbortController();
  const waiting = bell.wait(Number.POSITIVE_INFINITY, controller.signal);
  controller.abort();
  expect(await waiting).toBe('timeout');
  expect(await bell.wait(60_000, controller.signal)).toBe('timeout');
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});

test('a ring is not lost between two waits', async () => {
  const bell = createBell();
  expect(await bell.wait(1)).toBe('timeout');
  bell.ring();
  expect(await bell.wait(60_000)).toBe('rung');
});

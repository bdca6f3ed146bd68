import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { createNotifier } from '../../../src/bridge/notifier.js';

test('a ring wakes the one who waits', async () => {
  const notifier = createNotifier();
  const waiting = notifier.wait(60_000);
  notifier.ring();
  expect(await waiting).toBe('rung');
});

test('rings while nobody waits are kept as one', async () => {
  const notifier = createNotifier();
  notifier.ring();
  notifier.ring();
  expect(await notifier.wait(60_000)).toBe('rung');
  expect(await notifier.wait(1)).toBe('timeout');
});

test('an abort ends the wait, also one from before, and leaves no listener', async () => {
  const notifier = createNotifier();
  const controller = new AbortController();
  const waiting = notifier.wait(Number.POSITIVE_INFINITY, controller.signal);
  controller.abort();
  expect(await waiting).toBe('timeout');
  expect(await notifier.wait(60_000, controller.signal)).toBe('timeout');
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});

test('a ring is not lost between two waits', async () => {
  const notifier = createNotifier();
  expect(await notifier.wait(1)).toBe('timeout');
  notifier.ring();
  expect(await notifier.wait(60_000)).toBe('rung');
});

test('a time that is over ends the wait at once, and by no timer of less than nothing, of which Node 24 warns', async () => {
  const timer = vi.spyOn(globalThis, 'setTimeout');
  expect(await createNotifier().wait(-148.5)).toBe('timeout');
  expect(timer.mock.calls.map(([, ms]) => ms)).toEqual([0]);
});

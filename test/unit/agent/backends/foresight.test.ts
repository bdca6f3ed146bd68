import { expect, test } from 'vitest';
import { Foresight } from '../../../../src/agent/backends/foresight.js';

const forever = new AbortController().signal;

/** A foresight whose clock is set by hand, and questions that count. */
function foresightAt() {
  const clock = { nowMs: 0 };
  const foresight = new Foresight(() => clock.nowMs);
  let count = 0;
  const ask = async () => {
    count += 1;
    return count;
  };
  return { foresight, ahead: foresight.ahead(), clock, ask };
}

test('what was asked ahead is used as often as it was asked for, and is asked once', async () => {
  const { foresight, ahead, ask } = foresightAt();
  await Promise.all([ahead.answer('list', ask, forever), ahead.answer('list', ask, forever)]);
  expect(await foresight.answer('list', ask, forever)).toBe(1);
  expect(await foresight.answer('list', ask, forever)).toBe(1);
  expect(await foresight.answer('list', ask, forever)).toBe(2);
  expect(await foresight.answer('other', ask, forever)).toBe(3);
});

test('what is older than a second is asked again, by the task and ahead', async () => {
  const { foresight, ahead, clock, ask } = foresightAt();
  await ahead.answer('list', ask, forever);
  clock.nowMs = 1_001;
  expect(await foresight.answer('list', ask, forever)).toBe(2);
  await ahead.answer('list', ask, forever);
  expect(await foresight.answer('list', ask, forever)).toBe(3);
});

test('what was asked before a prompt is forgotten', async () => {
  const { foresight, ahead, ask } = foresightAt();
  await ahead.answer('list', ask, forever);
  foresight.forget();
  expect(await foresight.answer('list', ask, forever)).toBe(2);
});

test('a question that failed ahead is asked again', async () => {
  const { foresight, ahead, ask } = foresightAt();
  const failing = async () => {
    throw new Error('away');
  };
  await expect(ahead.answer('list', failing, forever)).rejects.toThrow('away');
  expect(await foresight.answer('list', ask, forever)).toBe(1);
});

test('whoever waits for an answer stops when its own signal aborts', async () => {
  const { foresight, ahead, ask } = foresightAt();
  void ahead.answer('list', () => new Promise(() => {}), forever);
  const own = new AbortController();
  const waiting = foresight.answer('list', ask, own.signal);
  own.abort(new Error('cancelled'));
  await expect(waiting).rejects.toThrow('cancelled');
});

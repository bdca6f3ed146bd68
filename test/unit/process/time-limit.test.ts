import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { timeLimit } from '../../../src/process/time-limit.js';

/** Resolves with the reason once the signal aborts, and holds nothing of it but that. */
const reasonOf = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });

/** What nobody holds is gone behind it. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let times = 0; times < 3; times += 1) {
    gc();
    await sleep(5);
  }
}

test('a time limit is not lost where the memory of the process is collected meanwhile', async () => {
  const over = reasonOf(timeLimit(300, new AbortController().signal));
  await collect();
  expect(await Promise.race([over, sleep(5_000, 'lost')])).toMatchObject({ name: 'TimeoutError' });
});

test('it aborts with the first of its signals, also one that was aborted before', async () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const over = reasonOf(timeLimit(60_000, one.signal, other.signal));
  await collect();
  other.abort('enough');
  expect(await over).toBe('enough');
  expect(timeLimit(60_000, other.signal).reason).toBe('enough');
});

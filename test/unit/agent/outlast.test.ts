import { expect, test } from 'vitest';
import { outlast } from '../../../src/agent/outlast.js';
import { createNotifier } from '../../../src/bridge/notifier.js';
import { BridgeError } from '../../../src/protocol/bridge-error.js';

const away = () => new BridgeError('away', { code: 'unreachable', remedy: 'wait', retryable: true });

/** A step that fails until it is let through, and tells each time it is tried. */
function failing(times: number) {
  let tries = 0;
  const step = async () => {
    tries += 1;
    if (tries <= times) throw away();
    return 'done';
  };
  return { step, tries: () => tries };
}

function options(more: Partial<Parameters<typeof outlast>[1]> = {}) {
  const lines: string[] = [];
  const signal = new AbortController().signal;
  return {
    lines,
    log: (_level: string, text: string) => void lines.push(text),
    signal,
    once: false,
    ...more,
  };
}

test('a ring ends the wait, however long it has become, and a row of failures is told once', async () => {
  const hurry = createNotifier();
  const given = options({ hurry });
  let tries = 0;
  const result = outlast(async () => {
    tries += 1;
    // Without the rings the waits of eight tries are minutes.
    setTimeout(hurry.ring, 5);
    if (tries < 8) throw away();
    return 'done';
  }, given);
  expect(await result).toBe('done');
  expect(tries).toBe(8);
  expect(given.lines).toEqual([
    'away; trying again until it works',
    expect.stringMatching(/^works again, after /),
  ]);
});

test('a ring from before a try does not count for the wait after it', async () => {
  const hurry = createNotifier();
  hurry.ring();
  const startedAt = performance.now();
  const { step, tries } = failing(1);
  expect(await outlast(step, options({ hurry }))).toBe('done');
  expect(tries()).toBe(2);
  expect(performance.now() - startedAt).toBeGreaterThan(700);
});

test('with once it is three tries, and what does not pass is thrown at once', async () => {
  const thrice = failing(9);
  const hurry = createNotifier();
  const step = () => {
    setTimeout(hurry.ring, 5);
    return thrice.step();
  };
  await expect(outlast(step, options({ once: true, hurry }))).rejects.toThrow('away');
  expect(thrice.tries()).toBe(3);
  let tries = 0;
  const fatal = async () => {
    tries += 1;
    throw new BridgeError('no', { code: 'role', remedy: 'none' });
  };
  await expect(outlast(fatal, options())).rejects.toThrow('no');
  expect(tries).toBe(1);
});

test('an abort ends the wait with its reason', async () => {
  const controller = new AbortController();
  const { step } = failing(99);
  const result = outlast(
    async () => {
      setTimeout(() => controller.abort(new Error('enough')), 5);
      return step();
    },
    options({ signal: controller.signal }),
  );
  await expect(result).rejects.toThrow('enough');
});

test('without a ring the waits double from a second to a minute, so a server that stays wrong is asked seldom', async () => {
  const waits: number[] = [];
  const hurry = {
    ring: () => {},
    wait: async (maxMs: number) => {
      // A wait of 0 only forgets the rings before a try.
      if (maxMs > 0) waits.push(maxMs);
      return 'timeout' as const;
    },
  };
  const { step } = failing(9);
  expect(await outlast(step, options({ hurry }))).toBe('done');
  const middles = [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000);
  expect(waits).toHaveLength(middles.length);
  for (const [at, middle] of middles.entries()) {
    expect(waits[at]).toBeGreaterThanOrEqual(middle * 0.75);
    expect(waits[at]).toBeLessThanOrEqual(middle * 1.25);
  }
});

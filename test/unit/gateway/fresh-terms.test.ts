import { beforeEach, expect, test, vi } from 'vitest';
import type { BridgeView } from '../../../src/bridge/bridge-view.js';
import { FreshTerms } from '../../../src/gateway/fresh-terms.js';
import { BridgeError, type BridgeErrorCode } from '../../../src/protocol/bridge-error.js';

let asked: number;
let fresh: FreshTerms;

beforeEach(() => {
  vi.useFakeTimers();
  asked = 0;
  const view = {
    isLocal: false,
    terms: { maxTaskBytes: 1_024 },
    // The server never answers: whoever waits for it waits for ever.
    learnTerms: () => {
      asked += 1;
      return new Promise<void>(() => {});
    },
  };
  fresh = new FreshTerms(view as unknown as BridgeView);
  return () => vi.useRealTimers();
});

test('over ssh they are asked for again beside the first call of each minute, which does not wait', async () => {
  await fresh.now();
  expect(asked).toBe(0);
  for (const minute of [1, 2, 3]) {
    vi.advanceTimersByTime(60_001);
    expect(asked).toBe(minute - 1);
    for (let call = 0; call < 3; call += 1) expect(await fresh.now()).toMatchObject({ maxTaskBytes: 1_024 });
    expect(asked).toBe(minute);
  }
});

test('over ssh they are asked for again at once after a refusal, and not after what may pass', () => {
  const failed = (code: BridgeErrorCode, retryable: boolean) =>
    fresh.notTaken(new BridgeError('no', { code, remedy: 'x', retryable }));
  expect(failed('unreachable', true)).toMatchObject({ status: 503 });
  expect(asked).toBe(0);
  expect(failed('refused-limit', false)).toMatchObject({ status: 413 });
  expect(asked).toBe(1);
});

import { beforeEach, expect, test, vi } from 'vitest';
import type { BridgeView } from '../../../src/bridge/bridge-view.js';
import { FreshTerms } from '../../../src/gateway/fresh-terms.js';
import { BridgeError, type BridgeErrorCode } from '../../../src/protocol/bridge-error.js';

let asked: number;
let fresh: FreshTerms;
let told: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  asked = 0;
  told = [];
  const view = {
    isLocal: false,
    terms: { maxTaskBytes: 1_024 },
    // The server never answers: whoever waits for it waits for ever.
    learnTerms: () => {
      asked += 1;
      return new Promise<void>(() => {});
    },
  };
  fresh = new FreshTerms(view as unknown as BridgeView, (error) => void told.push(error));
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

test('what the bridge says of a task is for the client; what names our side is for who runs the gateway', () => {
  const said = (code: BridgeErrorCode, message: string) =>
    fresh.notTaken(new BridgeError(message, { code, remedy: 'x' })).message;
  expect(said('refused-limit', 'the bridge refused the task: the limit is 10 bytes')).toMatch(/limit is 10/);
  expect(said('older-bridge', 'the llm-bridge on the server is older')).toMatch(/is older/);
  expect(told).toEqual([]);
  const ours =
    'fetch from ssh://bot@10.0.0.7/srv/bridge.git: the server refused: the key bot is not known here';
  for (const code of ['refused', 'rejected', 'ssh-auth', 'unreachable', 'git-failed', 'disk-full'] as const)
    expect(said(code, ours)).toBe('the bridge did not take the call: the output of the gateway says why');
  expect(told).toHaveLength(6);
  expect(String(told[0])).toContain(ours);
});

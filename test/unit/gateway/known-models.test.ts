import { beforeEach, expect, test, vi } from 'vitest';
import type { WhoWorks } from '../../../src/bridge/side-refs.js';
import { ApiError } from '../../../src/gateway/api-errors.js';
import type { BridgeFeed } from '../../../src/gateway/bridge-feed.js';
import { KnownModels } from '../../../src/gateway/known-models.js';

const AT = new Date('2026-11-27T12:00:00.000Z');
let listed: string[];
let looks: number;
/** Resolves the looks that wait. */
let answer: (() => void)[];
let models: KnownModels;

beforeEach(() => {
  vi.useFakeTimers({ now: AT });
  listed = ['llama3.2'];
  looks = 0;
  answer = [];
  const feed = {
    catchUp: () => {
      looks += 1;
      return new Promise<string>((resolve) => answer.push(() => resolve('tip')));
    },
    view: {
      terms: { serverNow: () => Date.now(), claimLeaseMs: 60_000 },
      mended: (work: () => Promise<WhoWorks>) => work(),
      whoWorks: async () => who(),
    },
  };
  models = new KnownModels(feed as unknown as BridgeFeed);
  return () => vi.useRealTimers();
});

function who(): WhoWorks {
  const names = listed.map((name) => ({ name, backend: 'ollama', can: ['chat'] }));
  const models = new Map([['pc', { at: AT.toISOString(), models: names } as never]]);
  return { running: new Map(), agents: [], models };
}

const ask = (model: string) =>
  models.require({ path: '/v1/chat/completions', body: { model, messages: [] } });

/** A call that has to wait for a look, which is then answered. */
async function askAfterLook(model: string): Promise<void> {
  const before = looks;
  const asked = ask(model);
  const outcome = asked.then(
    () => 'asked',
    (error: unknown) => error,
  );
  await vi.waitFor(() => expect(looks).toBe(before + 1));
  for (const one of answer.splice(0)) one();
  const said = await outcome;
  if (said !== 'asked') throw said;
}

test('a call waits for the first look alone, and for none where its model is known', async () => {
  await askAfterLook('llama3.2');
  vi.advanceTimersByTime(5 * 60_000);
  // Not answered: the call does not wait for it.
  await ask('llama3.2');
  expect(looks).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(looks).toBe(2);
  await ask('llama3.2');
  expect(looks).toBe(2);
});

test('a model that is not known, or was not for long, is looked for before it is refused', async () => {
  await askAfterLook('llama3.2');
  vi.advanceTimersByTime(31_000);
  listed = ['llama3.2', 'qwen3'];
  await askAfterLook('qwen3');
  vi.advanceTimersByTime(31_000);
  await expect(askAfterLook('gpt-4o')).rejects.toThrow(ApiError);
});

test('a ring, and what is ten minutes old, is looked at before the next call', async () => {
  await askAfterLook('llama3.2');
  models.changed();
  listed = ['qwen3'];
  const gone = [askAfterLook('llama3.2'), ask('llama3.2')];
  const ends = Promise.allSettled(gone);
  // Both wait; what nobody lists is looked for once more.
  await vi.advanceTimersByTimeAsync(0);
  for (const one of answer.splice(0)) one();
  expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  models.changed();
  listed = ['llama3.2'];
  await askAfterLook('llama3.2');
  vi.advanceTimersByTime(11 * 60_000);
  await askAfterLook('llama3.2');
});

test('once it is closed, nothing is looked at any more', async () => {
  await askAfterLook('llama3.2');
  vi.advanceTimersByTime(31_000);
  await ask('llama3.2');
  models.close();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(looks).toBe(1);
});

import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BackendError } from '../../../../src/agent/backends/backend.js';
import { askBackends } from '../../../../src/agent/generate/ask-backends.js';
import { settingsFor, standInFor } from '../generate-fixture.js';

/** What was waited for, in milliseconds; none of it is waited for here. */
const waits: number[] = [];

beforeEach(() => {
  waits.length = 0;
  // No jitter.
  vi.spyOn(Math, 'random').mockReturnValue(0);
  vi.spyOn(timers, 'setTimeout').mockImplementation((ms = 0) => {
    waits.push(ms);
    return Promise.resolve() as never;
  });
  // Files share a process: whoever has imported it already waits by it as well.
  syncBuiltinESMExports();
});

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** The waits in front of each try but the first, where a task fails so six times and works then. */
async function waitsAfter(failure: () => BackendError): Promise<number[]> {
  const settings = settingsFor(await standInFor(), {
    ...{ order: ['ollama'], retryWindowMs: 3_600_000, retryDelayMs: 1_000 },
  });
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    if (tries <= 6) throw failure();
    return { model: 'llama3.2', backend: 'ollama', answer: 'it works', error: null };
  };
  const asking = { task: { prompt: '2+2' }, model: undefined, settings, signal: AbortSignal.timeout(60_000) };
  expect(await askBackends(asking, () => attempt)).toMatchObject({ answer: 'it works', error: null });
  return waits;
}

test('a server that is away is found within four seconds of its start, however long it was away', async () => {
  const isAway = () => new BackendError('backend_unreachable', 'cannot be reached');
  expect(await waitsAfter(isAway)).toEqual([1_000, 2_000, 4_000, 4_000, 4_000, 4_000]);
});

test('a busy server is asked ever less often, every quarter of a minute at last', async () => {
  const isBusy = () => new BackendError('backend_error', 'server busy', { kind: 'busy' });
  expect(await waitsAfter(isBusy)).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
});

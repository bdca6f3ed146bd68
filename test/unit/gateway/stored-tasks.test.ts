import { expect, test } from 'vitest';
import { StoredTasks } from '../../../src/gateway/stored/stored-tasks.js';
import { startCalls } from './calls-fixture.js';

test('calls are remembered by number and by bytes, and what is forgotten is read again', async () => {
  const { calls } = await startCalls();
  const ask = async (content: string) => {
    const body = { messages: [{ role: 'user', content }] };
    const given = { token: null, idempotencyKey: null, wantsStream: false };
    return await calls.post({ path: '/v1/chat/completions', body, ...given });
  };
  const tasks = [await ask('a'.repeat(1_000)), await ask('b'.repeat(1_000)), await ask('c')];
  let reads = 0;
  const view: typeof calls.view = {
    ...calls.view,
    mended: (run) => {
      reads += 1;
      return calls.view.mended(run);
    },
  };
  const readsOf = async (stored: StoredTasks) => {
    const before = reads;
    for (const task of [...tasks, ...tasks])
      expect(await stored.find(task)).toMatchObject({ task, path: '/v1/chat/completions' });
    return reads - before;
  };
  expect(await readsOf(new StoredTasks(view))).toBe(3);
  // Room for one of the long ones and the short one.
  expect(await readsOf(new StoredTasks(view, 2_000))).toBe(6);
  expect(await readsOf(new StoredTasks(view, 0))).toBe(6);
});

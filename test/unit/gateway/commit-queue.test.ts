import { expect, test } from 'vitest';
import { draftCall } from '../../../src/gateway/call-drafts.js';
import { chat, startCalls } from './calls-fixture.js';

test('what is put in as the run before it ends is put on main, whenever in that moment it comes', async () => {
  const { calls, subjects } = await startCalls();
  for (let hops = 0; hops < 24; hops += 1) {
    const draft = draftCall(chat(`after ${hops}`), calls.view, 'test');
    await calls.submit({ ...draft, isWanted: () => true });
    for (let hop = 0; hop < hops; hop += 1) await Promise.resolve();
  }
  expect((await subjects()).filter((subject) => subject.includes('after'))).toHaveLength(24);
});

import { expect, test, vi } from 'vitest';
import { openBridgePage } from '../../../src/gateway/bridge-page.js';
import { chat, startCalls } from './calls-fixture.js';

/** A state is kept for a second, or for four times as long as it took to be read. */
const LATER_MS = 60_000;

test('who works on what is read again soon: here at each look, elsewhere while a task is open', async () => {
  const { calls, answer } = await startCalls();
  const openPage = (isLocal: boolean) => {
    const ages: (number | undefined)[] = [];
    const who = (maxAgeMs?: number) => {
      ages.push(maxAgeMs);
      return calls.who(maxAgeMs);
    };
    const page = openBridgePage({ view: { ...calls.view, isLocal }, who, rates: () => new Map() });
    return { page, ages };
  };
  const [here, elsewhere] = [openPage(true), openPage(false)];
  const clock = performance.now.bind(performance);
  let aheadMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + aheadMs);
  const look = async () => {
    aheadMs += LATER_MS;
    return await Promise.all([here.page.state(), elsewhere.page.state()]);
  };
  await look();
  const { task } = await calls.open(chat('2+2'));
  for (const { counts } of await look()) expect(counts.pending).toBe(1);
  await look();
  await answer(task ?? '');
  for (const { counts } of await look()) expect(counts.pending).toBe(0);
  await look();

  expect(here.ages).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
  expect(elsewhere.ages).toEqual([undefined, undefined, 5_000, 5_000, undefined]);
});

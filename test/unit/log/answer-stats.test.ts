import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { answerStats, OTHERS, type StatsRecord } from '../../../src/log/answer-stats.js';

function record(more: Partial<StatsRecord> = {}): StatsRecord {
  return {
    ...{ model: 'llama3.2:latest', asker: 'bot', agent: 'home-pc', error: null, latency_ms: 2000 },
    ...{ created_at: '2026-11-27T10:00:04.000Z', asked_at: '2026-11-27T10:00:00.000Z' },
    usage: { prompt_tokens: 5, completion_tokens: 50 },
    ...more,
  };
}

const statsOf = (records: readonly StatsRecord[]) => answerStats(records, (iso) => iso.slice(0, 10));

test('nothing was answered', async () => {
  expect(await statsOf([])).toEqual({
    ...{ answers: 0, errors: 0, tokens: 0, wait_s: null, generate_s: null, tokens_per_s: null },
    by: { model: [], asker: [], agent: [], day: [] },
  });
});

test('answers, errors, tokens, waits and speed, of all and by model, asker, agent and day', async () => {
  const error = { code: 'timeout', message: 'too slow' };
  const stats = await statsOf([
    record({ created_at: '2026-11-28T10:00:04.000Z', asked_at: null }),
    record({ latency_ms: 4000, usage: { completion_tokens: 10 }, asker: 'web' }),
    record({ model: null, error, usage: undefined, created_at: '2026-11-27T10:00:08.000Z' }),
    // Copied from an equal task: nothing was generated.
    record({ cached: true, agent: 'office' }),
  ]);
  const { by, ...all } = stats;
  expect(all).toEqual({ answers: 4, errors: 1, tokens: 60, wait_s: 5.3, generate_s: 3, tokens_per_s: 10 });
  expect(by.model).toEqual([
    {
      name: 'llama3.2:latest',
      answers: 3,
      errors: 0,
      tokens: 60,
      wait_s: 4,
      generate_s: 3,
      tokens_per_s: 10,
    },
    { name: null, answers: 1, errors: 1, tokens: 0, wait_s: 8, generate_s: null, tokens_per_s: null },
  ]);
  expect(by.asker.map(({ name, answers }) => [name, answers])).toEqual([
    ['bot', 3],
    ['web', 1],
  ]);
  expect(by.agent.map(({ name, answers }) => [name, answers])).toEqual([
    ['home-pc', 3],
    ['office', 1],
  ]);
  expect(by.day.map(({ name, answers }) => [name, answers])).toEqual([
    ['2026-11-27', 3],
    ['2026-11-28', 1],
  ]);
});

/** What is in use of the heap, without what is only not collected yet. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('two hundred thousand records with as many names are added up in bounded memory', async () => {
  // A hundred bytes a name would be all that is allowed; a name that is counted takes several times that.
  const COUNT = 200_000;
  function* many() {
    for (let at = 0; at < COUNT; at += 1) yield record({ asker: `asker-${at}` });
  }
  const before = heldBytes();
  const { answers, by } = await answerStats(many(), () => '2026-11-27');
  expect(answers).toBe(COUNT);
  expect(by.asker).toHaveLength(5_001);
  expect(by.asker[0]).toMatchObject({ name: OTHERS, answers: COUNT - 5_000 });
  expect(heldBytes() - before).toBeLessThan(20 * 1024 * 1024);
});

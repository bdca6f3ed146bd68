import { expect, test } from 'vitest';
import { recentFigures, spreadOf } from '../../../src/admin/recent-figures.js';
import { readHistory } from '../../../src/git/read-history.js';
import type { Answer } from '../../../src/protocol/answer.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { anAnswer, messageWriter } from '../../support/message-writer.js';

/** One question and its answer: when, in seconds from now, and what differs from a good answer. */
interface Exchange {
  readonly asked: number;
  readonly answered: number;
  readonly other?: Partial<Answer>;
}

async function figuresOf(exchanges: readonly Exchange[]) {
  const bridge = await bareBridge({ rootDate: '2020-01-01T00:00:00Z' });
  let tip = await bridge.git(['rev-parse', 'main']);
  const nowMs = Math.floor(Date.now() / 1000) * 1000;
  // By one clock: a second that passes between question and answer would be a second more of waiting.
  const writer = messageWriter(bridge.gitDir, bridge.env as Record<string, string>, () => nowMs);
  for (const [index, { asked, answered, other }] of exchanges.entries()) {
    const prompt = `question ${index}`;
    const task = await writer.ask(tip, prompt, { secondsFromNow: asked });
    tip = await writer.answer(task, anAnswer(task, prompt, other), { secondsFromNow: answered });
  }
  const commits = await readHistory(bridge, { from: [tip] });
  return recentFigures(bridge, commits, nowMs);
}

test('of a bridge without answers there are no figures', async () => {
  expect(await figuresOf([])).toEqual({
    hours: 24,
    answered: 0,
    errors: 0,
    error_rate: null,
    wait_ms: null,
    generate_ms: null,
    tokens_per_s: null,
  });
});

test('errors count, cached answers were not generated, and what is older than a day is left out', async () => {
  const usage = { completion_tokens: 100 };
  const figures = await figuresOf([
    { asked: -90_000, answered: -88_000, other: { latency_ms: 999_999, usage } },
    { asked: -100, answered: -98, other: { latency_ms: 1000, usage } },
    { asked: -90, answered: -86, other: { latency_ms: 3000, usage } },
    { asked: -80, answered: -70, other: { latency_ms: 1, cached: true, usage } },
    { asked: -60, answered: -59, other: { answer: null, error: { code: 'timeout', message: 'x' } } },
  ]);

  expect(figures).toEqual({
    hours: 24,
    answered: 4,
    errors: 1,
    error_rate: 0.25,
    wait_ms: { median: 2000, p95: 10_000 },
    generate_ms: { median: 1000, p95: 3000 },
    tokens_per_s: 50,
  });
});

test('nobody waited for less than the answer took, though commits have whole seconds', async () => {
  const { wait_ms } = await figuresOf([{ asked: -2, answered: -2, other: { latency_ms: 740 } }]);
  expect(wait_ms).toEqual({ median: 740, p95: 740 });
});

test('an answer whose model server counted nothing says nothing of the speed', async () => {
  expect((await figuresOf([{ asked: -2, answered: -1 }])).tokens_per_s).toBeNull();
});

test('the middle and the 95th of a hundred', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(spreadOf(hundred)).toEqual({ median: 50, p95: 95 });
  expect(spreadOf([7])).toEqual({ median: 7, p95: 7 });
  expect(spreadOf([])).toBeNull();
});

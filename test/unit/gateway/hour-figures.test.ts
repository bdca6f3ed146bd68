import { expect, test } from 'vitest';
import { hourFigures } from '../../../src/gateway/hour-figures.js';

const HOUR = Date.UTC(2026, 10, 27, 10) / 1000;

/** An answer at so many minutes after ten, to a question so many seconds before it. */
function answer(minutes: number, more: object = {}) {
  const atMs = (HOUR + minutes * 60) * 1000;
  return {
    created_at: new Date(atMs).toISOString(),
    asked_at: new Date(atMs - 4000).toISOString(),
    latency_ms: 2000,
    error: null,
    usage: { completion_tokens: 50 },
    ...more,
  };
}

test('nothing was answered', () => {
  expect(hourFigures([])).toEqual([]);
});

test('each hour has its own figures, and an empty one between two has none', () => {
  const error = { code: 'timeout', message: 'too slow' };
  const figures = hourFigures([
    answer(1),
    answer(59, { latency_ms: 4000, usage: { completion_tokens: 10 } }),
    answer(125, { error, usage: undefined }),
  ]);

  expect(figures).toEqual([
    { at: HOUR, answers: 2, errors: 0, tokens: 60, wait_s: 4, generate_s: 3, tokens_per_s: 10 },
    { at: HOUR + 3600, answers: 0, errors: 0, tokens: 0, wait_s: null, generate_s: null, tokens_per_s: null },
    { at: HOUR + 7200, answers: 1, errors: 1, tokens: 0, wait_s: 4, generate_s: null, tokens_per_s: null },
  ]);
});

test('an answer without the time of its question has no wait, and one without a count no tokens', () => {
  const [hour] = hourFigures([answer(0, { asked_at: null, usage: {} })]);
  expect(hour).toMatchObject({ answers: 1, wait_s: null, generate_s: 2, tokens_per_s: null });
});

test('an answer of long ago makes no chart of years', () => {
  expect(hourFigures([answer(-60 * 24 * 400), answer(0)])).toHaveLength(24 * 28 + 1);
});

import { expect, test } from 'vitest';
import { type ContextBounds, planContext } from '../../../../../src/agent/backends/ollama/plan-context.js';

const BOUNDS: ContextBounds = { task: null, max: 32_768, model: 131_072, loaded: null };

test.each<[string, number, Partial<ContextBounds>, number, string | null]>([
  ['a short one gets the first step', 10, {}, 4096, null],
  ['exactly a step', 4096, {}, 4096, null],
  ['one more than a step', 4097, {}, 8192, null],
  ['several steps on', 20_000, {}, 32_768, 'max'],
  ['more than --max-context', 40_000, {}, 32_768, 'max'],
  ['with a larger --max-context', 40_000, { max: 131_072 }, 65_536, null],
  ['a --max-context that is no step', 30_000, { max: 20_000 }, 20_000, 'max'],
  ['a model that takes less', 9000, { model: 8192 }, 8192, 'model'],
  ['a model that takes less than the first step', 10, { model: 2048 }, 2048, 'model'],
  ['a model whose length nobody says', 40_000, { model: null, max: 65_536 }, 65_536, 'max'],
  ['the num_ctx of the task, though it needs less', 10, { task: 6000 }, 6000, 'task'],
  ['the num_ctx of the task, though it needs more', 9000, { task: 6000 }, 6000, 'task'],
  ['a num_ctx above --max-context', 10, { task: 1_000_000 }, 32_768, 'max'],
  ['a num_ctx above what the model takes', 10, { task: 10_000, model: 8192 }, 8192, 'model'],
  ['a model in memory with enough keeps what it has', 10, { loaded: 16_384 }, 16_384, null],
  ['a model in memory with too little is loaded again', 5000, { loaded: 4096 }, 8192, null],
  ['a model in memory with more than --max-context keeps it', 10, { loaded: 65_536 }, 65_536, 'loaded'],
  ['a model in memory with more than num_ctx keeps it', 10, { task: 5000, loaded: 8192 }, 8192, 'loaded'],
  ['a model in memory with exactly --max-context', 10, { loaded: 32_768 }, 32_768, 'max'],
])('%s', (_what, needed, bounds, context, limit) => {
  expect(planContext(needed, { ...BOUNDS, ...bounds })).toEqual({ context, limit });
});

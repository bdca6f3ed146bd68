import { expect, test } from 'vitest';
import { sameModel } from '../../../src/agent/backends/same-model.js';
import { type RecordFilter, wantedBy } from '../../../src/log/record-filter.js';

const RECORD = {
  ...{ asker: 'bot', agent: 'home-pc', model: 'llama3.2:latest', backend: 'ollama' },
  ...{ created_at: '2026-11-26T10:00:00.000Z', task_text: 'Какой РЕЦЕПТ?', answer: 'Borscht (a+)+$' },
  error: null,
};
const FAILED = { ...RECORD, answer: null, model: null, error: { code: 'timeout', message: 'Too slow' } };
const MADE = Date.parse(RECORD.created_at);

const isWanted = (filter: RecordFilter, record: object = RECORD) =>
  wantedBy(filter, sameModel)?.(JSON.stringify(record));

test('without a filter every line is wanted, and with one only records are', () => {
  expect(wantedBy({ asker: undefined, texts: undefined }, sameModel)).toBeUndefined();
  expect(wantedBy({ asker: 'bot' }, sameModel)?.('no JSON')).toBe(false);
});

test.each<[RecordFilter, boolean]>([
  [{ texts: ['рецепт'] }, true],
  [{ texts: ['bORSCHT'] }, true],
  // A text and no pattern, however it looks.
  [{ texts: ['(a+)+$'] }, true],
  [{ texts: ['b.rscht'] }, false],
  [{ texts: ['none', 'borscht'] }, true],
  [{ texts: ['Too slow'] }, false],
  [{ sinceMs: MADE, untilMs: MADE + 1 }, true],
  [{ sinceMs: MADE + 1 }, false],
  [{ untilMs: MADE }, false],
  [{ asker: 'bot', agent: 'home-pc', model: 'llama3.2' }, true],
  [{ asker: 'bo' }, false],
  [{ agent: 'bot' }, false],
  [{ model: 'llama3' }, false],
  [{ status: 'ok' }, true],
  [{ status: 'error' }, false],
  [{ status: 'cached' }, false],
])('%j of a good answer: %s', (filter, expected) => {
  expect(isWanted(filter)).toBe(expected);
});

test('an error is found by its code and its words, and an answer that was copied is a good one too', () => {
  expect(isWanted({ status: 'error', texts: ['too SLOW'] }, FAILED)).toBe(true);
  expect(isWanted({ status: 'timeout' }, FAILED)).toBe(true);
  expect(isWanted({ status: 'ok' }, FAILED)).toBe(false);
  expect(isWanted({ model: 'llama3.2' }, FAILED)).toBe(false);
  expect(isWanted({ status: 'cached' }, { ...RECORD, cached: true })).toBe(true);
  expect(isWanted({ status: 'ok' }, { ...RECORD, cached: true })).toBe(true);
});

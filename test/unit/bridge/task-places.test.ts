import { expect, test } from 'vitest';
import { modelDurations } from '../../../src/bridge/model-durations.js';
import { expectedWaits } from '../../../src/bridge/task-places.js';
import type { HistoryCommit } from '../../../src/protocol/history.js';

let answers = 0;

/** An answer of a model that took so long, and is the newest. */
function answer(model: string, latencyMs: number, statusTrailer = 'ok'): HistoryCommit {
  answers += 1;
  return {
    ...{ id: `a${answers}`, parents: ['p'], committedAtMs: answers, author: 'home-pc', subject: '' },
    ...{ taskTrailer: 't', taskHashTrailer: 'h', statusTrailer },
    source: { model, backend: 'ollama', latencyMs },
    changes: [{ path: 'inbox.json', oldMode: '100644', newMode: '100644', oldId: 'o', newId: 'n' }],
  };
}

const sameModel = (_backend: string, asked: string, listed: string) => `${asked}:latest` === listed;

test('how long a model takes is the median of its newest good answers, under any of its names', () => {
  const { usualMs } = modelDurations(
    [
      ...Array.from({ length: 30 }, () => answer('llama:latest', 900_000)),
      ...Array.from({ length: 19 }, (_, at) => answer('llama:latest', (at + 1) * 1000)),
      answer('big', 60_000),
      answer('llama:latest', 1, 'cached'),
      answer('llama:latest', 2, 'error timeout'),
    ],
    sameModel,
  );
  // Of twenty: nineteen of 1 to 19 s, and one from before.
  expect(usualMs('llama')).toBe(10_000);
  expect(usualMs('big')).toBe(60_000);
  expect(usualMs('never asked')).toBeNull();
  expect(usualMs(null)).toBe(10_000);
  expect(modelDurations([], sameModel).usualMs(null)).toBeNull();
});

const takes = (usualMs: number | null) => ({ usualMs });

test.each([
  ['one after the other', [], [takes(10), takes(20), takes(5)], 1, [10, 30, 35]],
  [
    'behind what is left of one that is begun',
    [{ usualMs: 30, doneMs: 12 }],
    [takes(10), takes(20)],
    1,
    [28, 48],
  ],
  [
    'one that takes longer than usual is done any moment',
    [{ usualMs: 30, doneMs: 99 }],
    [takes(10)],
    1,
    [10],
  ],
  ['two at once', [{ usualMs: 30, doneMs: 0 }], [takes(10), takes(50), takes(10)], 2, [10, 60, 40]],
  ['nobody is there', [], [takes(10)], 0, [null]],
  [
    'a model that has not answered yet, and who is behind it',
    [],
    [takes(10), takes(null), takes(10)],
    1,
    [10, null, null],
  ],
  ['one that is begun, of which nothing is known', [{ usualMs: null, doneMs: 0 }], [takes(10)], 1, [null]],
])('about how long it takes: %s', (_title, running, line, parallel, expected) => {
  expect(expectedWaits(running, line, parallel).next).toEqual(expected);
});

test('what is begun takes what is left of the usual time', () => {
  const running = [
    { usualMs: 30, doneMs: 12 },
    { usualMs: null, doneMs: 3 },
    { usualMs: 10, doneMs: 12 },
  ];
  expect(expectedWaits(running, [], 1).begun).toEqual([18, null, 0]);
});

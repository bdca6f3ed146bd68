import { expect, test } from 'vitest';
import { composeAnswer } from '../../../src/agent/compose-answer.js';
import { readAnswer, writeAnswer } from '../../../src/protocol/answer.js';
import { readPresence, writePresence } from '../../../src/protocol/presence.js';

const FRAME = {
  ...{ taskId: 'cd'.repeat(20), hash: 'ab'.repeat(32), agent: 'home-pc' },
  ...{ latencyMs: 1, nowMs: 0, maxAnswerBytes: 1_048_576 },
};

test('whatever half characters a model server says, in any field, the answer is one that everybody can read', () => {
  const half = 'a\ud83e b';
  const good = composeAnswer(
    { ...FRAME, task: { prompt: half } },
    {
      ...{ model: half, backend: 'ollama', answer: half, error: null },
      ...{ thinking: half, finish_reason: half },
    },
  );
  const whole = 'a\ufffd b';
  expect(good).toMatchObject({ task_text: whole, model: whole, answer: whole, thinking: whole });
  expect(readAnswer(writeAnswer(good))).toEqual({ ok: true, value: good });
  const bad = composeAnswer(
    { ...FRAME, task: null },
    { model: half, backend: 'ollama', answer: null, error: { code: 'backend_error', message: half } },
  );
  expect(bad.error?.message).toBe(whole);
  expect(readAnswer(writeAnswer(bad))).toEqual({ ok: true, value: bad });
});

test('fields at their limits hold that many characters, of every plane', () => {
  const answer = composeAnswer(
    { ...FRAME, task: { prompt: '🦙'.repeat(5000) } },
    {
      ...{ model: '🦙'.repeat(300), backend: 'ollama', answer: '4', error: null },
      finish_reason: '🦙'.repeat(70),
    },
  );
  expect(
    [answer.task_text, answer.model, answer.finish_reason].map((text) => [...(text ?? '')].length),
  ).toEqual([4096, 256, 64]);
  expect(readAnswer(writeAnswer(answer)).ok).toBe(true);
});

test('a model whose name has half a character stops no presence', () => {
  const presence = {
    ...({ agent: 'home-pc', session: '0123456789abcdef', state: 'running', version: '1' } as const),
    ...{
      backends: ['ollama'],
      models: ['m\ud800', '🦙'.repeat(100), '🦙'.repeat(101)],
      parallel: 1,
      busy: [],
    },
    ...{ started_at: '2026-11-22T17:02:27.123Z', seen_at: '2026-11-22T17:02:27.123Z' },
  };
  const read = readPresence(writePresence(presence));
  expect(read.ok && read.value.models).toEqual(['m\ufffd', '🦙'.repeat(100)]);
});

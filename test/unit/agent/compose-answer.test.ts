import { expect, test } from 'vitest';
import { composeAnswer } from '../../../src/agent/compose-answer.js';
import { answerSchema, readAnswer, writeAnswer } from '../../../src/protocol/answer.js';
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

test('a response of as many parts as a message may have stays, and one of more is answer_too_large', () => {
  // An object, a key and a text in each; and the rest of the answer.
  const compose = (count: number) =>
    composeAnswer(
      { ...FRAME, task: null, maxAnswerBytes: 64 * 1024 * 1024 },
      {
        ...{ model: 'm', backend: 'ollama', answer: null, error: null },
        response: { status: 200, body: Array.from({ length: count }, () => ({ a: 'b' })) },
      },
    );

  const most = compose(83_300);
  expect(readAnswer(writeAnswer(most), 64 * 1024 * 1024)).toEqual({ ok: true, value: most });
  const tooMany = compose(83_334);
  expect(tooMany).toMatchObject({ answer: null, error: { code: 'answer_too_large' } });
  expect(tooMany.error?.message).toContain('250000 objects');
  expect(tooMany.response).toBeUndefined();
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
    loaded: ['l\udc00'],
    work: [{ task: FRAME.taskId, phase: 'loading', since: '2026-11-22T17:02:27.123Z', model: 'w\ud800' }],
    ...{ started_at: '2026-11-22T17:02:27.123Z', seen_at: '2026-11-22T17:02:27.123Z' },
  };
  const read = readPresence(writePresence(presence));
  expect(read.ok && read.value.models).toEqual(['m\ufffd', '🦙'.repeat(100)]);
  expect(read.ok && [read.value.loaded, read.value.work?.[0]?.model]).toEqual([['l\ufffd'], 'w\ufffd']);
});

const REQUEST = { path: '/v1/chat/completions', body: { messages: [{ role: 'user', content: '2+2' }] } };
const REQUESTED = { ...FRAME, task: { id: '1', request: REQUEST } };
const FROM = { model: 'm', backend: 'ollama' } as const;
const REFUSED = { code: 'backend_refused', message: 'bad "n"' };

/** A list in a list, so many levels deep. */
const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

test('a response is kept whole, with its text and the fields that were left out', () => {
  const response = { status: 200, body: { choices: [{ message: { content: '4' } }], usage: null } };
  const answer = composeAnswer(REQUESTED, {
    ...{ ...FROM, answer: '4', error: null, response, thinking: 'hm' },
    dropped: ['store', '', 'x'.repeat(200), ...Array.from({ length: 99 }, (_, at) => `f${at}`)],
  });
  expect(answer).toMatchObject({ task_text: '2+2', answer: '4', response, thinking: 'hm' });
  expect(answer.dropped?.slice(0, 3)).toEqual(['store', `${'x'.repeat(127)}…`, 'f0']);
  expect(readAnswer(writeAnswer(answer))).toEqual({ ok: true, value: answer });
  expect(Object.keys(answer)).toEqual(Object.keys(answerSchema.parse(answer)));
});

test('an empty text beside a response is none', () => {
  const response = { status: 200, body: { message: { content: '', tool_calls: [] } } };
  const answer = composeAnswer(REQUESTED, { ...FROM, answer: '', error: null, response });
  expect(answer).toMatchObject({ answer: null, error: null, response });
  expect(readAnswer(writeAnswer(answer)).ok).toBe(true);
});

test.each([
  ['half a character in a text', { a: ['x\ud83e'] }, { a: ['x\ufffd'] }],
  ['half a character in a key', { 'x\ud83e': 1 }, { 'x\ufffd': 1 }],
  ['keys that are one when they are whole', { 'x\ud83e': 1, 'x\udd99': 2 }, { 'x\ufffd': 2 }],
  ['__proto__', JSON.parse('{"a":[{"__proto__":{"b":1},"c":2}],"__proto__":1}'), { a: [{ c: 2 }] }],
  ['keys that objects have of their own', { constructor: 1, toString: 2 }, { constructor: 1, toString: 2 }],
  ['62 levels', nested(62), nested(62)],
  ['a text', 'bad gateway', 'bad gateway'],
  ['null', null, null],
])('the body of a response with %s becomes one that everybody can read', (_name, body, kept) => {
  const answer = composeAnswer(REQUESTED, {
    ...FROM,
    answer: null,
    error: null,
    response: { status: 200, body },
  });
  expect(answer.response?.body).toEqual(kept);
  const read = readAnswer(writeAnswer(answer));
  expect(read).toEqual({ ok: true, value: answer });
});

test.each([63, 1_000_000])(
  'a response of %i levels is an error, because no message can have it',
  (levels) => {
    const body = nested(levels);
    const good = composeAnswer(REQUESTED, {
      ...FROM,
      answer: '4',
      error: null,
      response: { status: 200, body },
    });
    expect(good).toMatchObject({ ...FROM, answer: null, error: { code: 'backend_error' } });
    expect(good).not.toHaveProperty('response');
    const refused = { ...FROM, answer: null, error: REFUSED, response: { status: 400, body: { a: body } } };
    const bad = composeAnswer(REQUESTED, refused);
    expect(bad.error).toEqual(REFUSED);
    for (const answer of [good, bad]) expect(readAnswer(writeAnswer(answer)).ok).toBe(true);
  },
);

test.each([999, 199, 0, Number.NaN, 200.5])('a response of the status %s is a refusal', (status) => {
  const response = { status, body: {} };
  const answer = composeAnswer(REQUESTED, { ...FROM, answer: null, error: REFUSED, response });
  expect(readAnswer(writeAnswer(answer)).ok).toBe(true);
});

test('of an answer that is too large the thinking goes first, then the question, and at last the response', () => {
  const long = 'x'.repeat(1000);
  const frame = { ...FRAME, task: { id: '1', request: { path: '/v1/completions', body: { prompt: long } } } };
  const response = { status: 200, body: { text: long } };
  const outcome = { ...FROM, answer: 'short', error: null, response, thinking: long };
  const whole = composeAnswer(frame, outcome);
  const bytes = writeAnswer(whole).length;
  const within = (less: number) => composeAnswer({ ...frame, maxAnswerBytes: bytes - less }, outcome);
  expect(within(0)).toEqual(whole);
  const { thinking: _thinking, ...withoutThinking } = whole;
  expect(within(1)).toEqual(withoutThinking);
  const { task_text: _text, ...bare } = withoutThinking;
  expect(within(1500)).toEqual(bare);
  const tooLarge = within(2500);
  expect(tooLarge).toMatchObject({ answer: null, error: { code: 'answer_too_large' } });
  expect(readAnswer(writeAnswer(tooLarge), bytes - 2500).ok).toBe(true);

  const refused = { ...outcome, answer: null, error: REFUSED, response: { ...response, status: 400 } };
  const { response: _response, ...least } = { ...bare, answer: null, error: REFUSED };
  expect(composeAnswer({ ...frame, maxAnswerBytes: bytes - 2500 }, refused)).toEqual(least);
});

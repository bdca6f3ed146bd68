import { expect, test } from 'vitest';
import { readAnswer, writeAnswer } from '../../../src/protocol/answer.js';
import { NASTY_TEXTS, someAnswer } from './answer-fixture.js';

const read = (answer: unknown, maxBytes?: number) =>
  readAnswer(Buffer.from(JSON.stringify(answer)), maxBytes);

test('what was written is read back the same, with every field', () => {
  const answer = someAnswer({
    task_text: '2+2',
    thinking: 'hm',
    finish_reason: 'stop',
    usage: { prompt_tokens: 3, completion_tokens: 1 },
    cached: true,
  });
  expect(readAnswer(writeAnswer(answer))).toEqual({ ok: true, value: answer });
});

test.each(NASTY_TEXTS)('an answer %j is read back as it was', (text) => {
  const written = writeAnswer(someAnswer({ answer: text }));
  expect(readAnswer(written)).toEqual({ ok: true, value: someAnswer({ answer: text }) });
  expect(written.toString('utf8')).not.toMatch(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\ufeff]/);
});

test('an error answer needs neither a model nor a backend', () => {
  const error = { code: 'no_model', message: 'none is loaded' };
  expect(read(someAnswer({ answer: null, error, model: null, backend: null })).ok).toBe(true);
});

const { answer: _answer, ...withoutAnswer } = someAnswer();
test.each([
  ['both answer and error', someAnswer({ error: { code: 'x', message: 'y' } }), /exactly one of/],
  ['neither', someAnswer({ answer: null }), /exactly one of/],
  ['no answer field', withoutAnswer, /^answer: /],
  ['an empty answer', someAnswer({ answer: '' }), /^answer: /],
  ['an answer of no model', someAnswer({ model: null }), /"model" and its "backend"/],
  ['an answer of no backend', someAnswer({ backend: null }), /"model" and its "backend"/],
  ['a short hash', someAnswer({ task_hash: 'ab' }), /^task_hash: /],
  ['a hash in capitals', someAnswer({ task_hash: 'AB'.repeat(32) }), /^task_hash: /],
  ['a hash with a line break', someAnswer({ task_hash: `${'ab'.repeat(32)}\n` }), /^task_hash: /],
  ['an abbreviated commit', someAnswer({ task_commit: 'cdcdcdcd' }), /^task_commit: /],
  ['a commit of 50 digits', someAnswer({ task_commit: 'a'.repeat(50) }), /^task_commit: /],
  ['a task text too long', someAnswer({ task_text: 'x'.repeat(4097) }), /^task_text: /],
  ['a bad time', someAnswer({ created_at: 'yesterday' }), /^created_at: /],
  ['a negative latency', someAnswer({ latency_ms: -1 }), /^latency_ms: /],
  ['half a millisecond', someAnswer({ latency_ms: 0.5 }), /^latency_ms: /],
  ['an agent with a line break', someAnswer({ agent: 'home\npc' }), /^agent: /],
  ['an agent that begins with a dash', someAnswer({ agent: '-rf' }), /^agent: /],
  ['an agent that is a path', someAnswer({ agent: '../x' }), /^agent: /],
  ['an error code with a space', someAnswer({ answer: null, error: { code: 'a b', message: 'm' } }), /code/],
  ['an error without a message', someAnswer({ answer: null, error: { code: 'a', message: '' } }), /message/],
  ['negative tokens', someAnswer({ usage: { prompt_tokens: -1 } }), /^usage\.prompt_tokens: /],
  ['an unknown field', { ...someAnswer(), signature: 'x' }, /"signature"/],
])('%s is refused', (_name, answer, reason) => {
  const result = read(answer);
  expect(result.ok ? 'read' : result.reason).toMatch(reason);
});

test('an answer is taken to the limit of its bytes and no further', () => {
  const bytes = writeAnswer(someAnswer({ answer: 'д'.repeat(1000) }));
  expect(readAnswer(bytes, bytes.length).ok).toBe(true);
  const over = readAnswer(bytes, bytes.length - 1);
  expect(over).toEqual({ ok: false, reason: expect.stringContaining(`the limit is ${bytes.length - 1}`) });
});

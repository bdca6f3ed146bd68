import { expect, test } from 'vitest';
import { answerMessage, askMessage, statusOf } from '../../../src/protocol/commit-message.js';
import { NASTY_TEXTS, someAnswer } from './answer-fixture.js';

const HASH = '3f2a1b9c'.padEnd(64, '0');

test('a question reads well in git log --oneline', () => {
  expect(askMessage({ hash: HASH, question: '1. 2+2' })).toBe(`ask: 1. 2+2\n\nTask-Hash: ${HASH}\n`);
});

test('an answer reads well in git log --oneline, and its trailers are a report', () => {
  expect(answerMessage(someAnswer({ task_hash: HASH }))).toBe(
    [
      'answer cdcdcdcd: 4 (llama3.2 via ollama, 812 ms)',
      '',
      `Task: ${'cd'.repeat(20)}`,
      `Task-Hash: ${HASH}`,
      'Model: llama3.2',
      'Backend: ollama',
      'Latency-Ms: 812',
      'Status: ok',
      '',
    ].join('\n'),
  );
});

test('an answer given again, and an error of no model, say so', () => {
  expect(answerMessage(someAnswer({ cached: true }))).toMatch(
    /\(llama3\.2 via ollama, cached\)[\s\S]*Status: cached\n$/,
  );
  const failed = someAnswer({
    answer: null,
    error: { code: 'no_model', message: 'secret words' },
    model: null,
    backend: null,
    cached: true,
  });
  expect(statusOf(failed)).toBe('error no_model');
  expect(answerMessage(failed)).toMatch(
    /: error no_model \(no model, cached\)[\s\S]*Model: none\nBackend: none\n[\s\S]*Status: error no_model\n$/,
  );
  expect(answerMessage(failed)).not.toContain('secret');
});

const SHAPE =
  /^answer cdcdcdcd: [^\n]* \([^\n]*\)\n\nTask: (?:cd){20}\nTask-Hash: (?:ab){32}\nModel: [^\n]*\nBackend: ollama\nLatency-Ms: 812\nStatus: ok\n$/;

test.each(NASTY_TEXTS)('neither an answer nor a model called %j can forge a line', (text) => {
  for (const message of [
    answerMessage(someAnswer({ answer: text })),
    answerMessage(someAnswer({ model: text })),
  ]) {
    expect(message).toMatch(SHAPE);
    expect(message).not.toMatch(/[\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
  }
  expect(askMessage({ hash: HASH, question: text })).toMatch(/^ask: [^\n]*\n\nTask-Hash: [0-9a-f]{64}\n$/);
});

test('a long question is cut between characters, and the cut is shown', () => {
  const subject = askMessage({ hash: HASH, question: `${'x'.repeat(48)}😀${'y'.repeat(1_000_000)}` }).split(
    '\n',
  )[0];
  expect(subject).toBe(`ask: ${'x'.repeat(48)}😀…`);
});

test('a question behind a page of blank lines still stands in the subject', () => {
  expect(askMessage({ hash: HASH, question: `${'\n '.repeat(5000)}2+2` })).toContain('ask: 2+2\n');
});

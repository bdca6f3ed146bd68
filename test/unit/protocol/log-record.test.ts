import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLogLine, logRecordSchema } from '../../../src/protocol/log-record.js';
import { NASTY_TEXTS, someAnswer } from './answer-fixture.js';

const AT = { seq: 7, commit: 'ef'.repeat(20), ingestedAtMs: Date.UTC(2026, 10, 22) };

// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what must not be there
const NOT_PRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

function expectOneLine(text: string): void {
  const line = formatLogLine(
    someAnswer({ answer: text, thinking: text, task_text: text.slice(0, 4096) }),
    AT,
  );
  expect(line.endsWith('}\n')).toBe(true);
  expect(NOT_PRINTABLE.test(line.slice(0, -1))).toBe(false);
  // As a file keeps it: through bytes and back.
  const record = logRecordSchema.parse(JSON.parse(Buffer.from(line).toString('utf8')));
  expect(record.answer === text && record.thinking === text).toBe(true);
}

test.each(NASTY_TEXTS)('an answer %j is one line, and the same text again when it is read', (text) => {
  expectOneLine(text);
});

test('an answer of a megabyte is one line', () => {
  expectOneLine('д\n\u2028"\ud800'.repeat(200_000));
});

test('whatever the answer is, it is one line', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), expectOneLine));
});

test('a record is its place, every field of the answer, and the time it came in', () => {
  const answer = someAnswer({ answer: 'Четыре' });
  const line = formatLogLine(answer, AT);
  expect(JSON.parse(line)).toEqual({
    seq: 7,
    commit: AT.commit,
    ...answer,
    ingested_at: '2026-11-22T00:00:00.000Z',
  });
  expect(line.startsWith('{"seq":7,"commit":"efef')).toBe(true);
  expect(line).toContain('Четыре');
});

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLogLine, logRecordSchema, recordTask } from '../../../src/protocol/log-record.js';
import { toWellFormed } from '../../../src/protocol/text.js';
import { NASTY_TEXTS, someAnswer } from './answer-fixture.js';

const TASK = { asker: 'bot', asked_at: '2026-11-21T23:59:00.000Z' };
const AT = { seq: 7, commit: 'ef'.repeat(20), ingestedAtMs: Date.UTC(2026, 10, 22) };

// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what must not be there
const NOT_PRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

function expectOneLine(text: string): void {
  const line = formatLogLine(
    someAnswer({ answer: text, thinking: text, task_text: text.slice(0, 4096) }),
    { ...TASK, metadata: { [text]: text } },
    AT,
  );
  expect(line.endsWith('}\n')).toBe(true);
  expect(NOT_PRINTABLE.test(line.slice(0, -1))).toBe(false);
  // As a file keeps it: through bytes and back.
  const record = logRecordSchema.parse(JSON.parse(Buffer.from(line).toString('utf8')));
  expect(record.answer === text && record.thinking === text).toBe(true);
  expect(record.metadata).toEqual({ [text]: text });
}

test.each(NASTY_TEXTS)('an answer %j is one line, and the same text again when it is read', (text) => {
  expectOneLine(text);
});

test('an answer of a megabyte is one line', () => {
  expectOneLine('д\n\u2028"😀'.repeat(200_000));
});

test('whatever the answer is, it is one line', () => {
  fc.assert(
    fc.property(
      fc
        .string({ unit: 'binary', minLength: 1, maxLength: 200 })
        .map(toWellFormed)
        // No task that was read has such a key in its metadata.
        .filter((text) => text !== '__proto__'),
      expectOneLine,
    ),
  );
});

test('a record is its place, who asked and when, every field of the answer, and the time it came in', () => {
  const answer = someAnswer({ answer: 'Четыре' });
  const line = formatLogLine(answer, TASK, AT);
  expect(JSON.parse(line)).toEqual({
    seq: 7,
    commit: AT.commit,
    ...TASK,
    ...answer,
    ingested_at: '2026-11-22T00:00:00.000Z',
  });
  expect(line.startsWith('{"seq":7,"commit":"efef')).toBe(true);
  expect(line).toContain('Четыре');
});

const COMMIT = { author: 'bot', committedAtMs: Date.UTC(2026, 10, 21, 23, 59) };

test.each<[string, string, unknown]>([
  ['metadata', '{"prompt":"q","metadata":{"chat":"77"}}', { chat: '77' }],
  ['metadata under an escaped name', '{"prompt":"q","met\\u0061data":{"chat":"77"}}', { chat: '77' }],
  ['the word alone', '{"prompt":"metadata"}', undefined],
  ['none', '{"prompt":"q"}', undefined],
  ['a file that is no task', '{"metadata":{"chat":"77"}}', undefined],
])('of a task.json with %s, the record has it or not', (_what, text, metadata) => {
  expect(recordTask(COMMIT, Buffer.from(text))).toEqual({
    ...TASK,
    ...(metadata === undefined ? {} : { metadata }),
  });
});

test('of a task.txt the record has no metadata, whatever its text is', () => {
  expect(recordTask(COMMIT, null)).toEqual(TASK);
});

test('a date that no instant can say stops no record', () => {
  const end = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
  expect(recordTask({ ...COMMIT, committedAtMs: end }, null).asked_at).toBe('9999-12-31T23:59:59.999Z');
  for (const committedAtMs of [end + 1, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])
    expect(recordTask({ ...COMMIT, committedAtMs }, null).asked_at).toBeNull();
});

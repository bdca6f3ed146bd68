import { expect, test } from 'vitest';
import { draftTask, draftTaskFile } from '../../../src/asker/task-draft.js';

const NOW = { nowMs: Date.UTC(2026, 10, 22), dedup: false };

test('a task gets an id of its own and the time, so that what is asked twice is two tasks', () => {
  const [one, two] = [draftTask({ prompt: '2+2' }, NOW), draftTask({ prompt: '2+2' }, NOW)];
  expect(one.task).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    asked_at: '2026-11-22T00:00:00.000Z',
    prompt: '2+2',
  });
  expect(one.bytes.equals(two.bytes)).toBe(false);
  expect(one.question).toBe('2+2');
});

test('an id and a time that are given stay', () => {
  const fields = { id: 'mine', asked_at: '2020-01-01T00:00:00.000Z', prompt: '2+2' };
  expect(draftTask(fields, NOW).task).toEqual(fields);
});

test('with dedup the same task is the same bytes, whenever it is asked', () => {
  const one = draftTask({ prompt: '2+2' }, { nowMs: 1, dedup: true });
  const two = draftTask(
    { id: 'x', prompt: '2+2', asked_at: '2020-01-01T00:00:00.000Z' },
    { nowMs: 2, dedup: true },
  );
  expect(one.bytes.toString()).toBe('{\n  "prompt": "2+2"\n}\n');
  expect(two.bytes.equals(one.bytes)).toBe(true);
});

test('what is no task is a wrong use, and the field is named', () => {
  const usage = (message: RegExp) =>
    expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) });
  expect(() => draftTask({ prompt: ' ' }, NOW)).toThrow(usage(/^task\.json prompt: the prompt is empty/));
  expect(() => draftTask({ prompt: 'x'.repeat(100) }, { ...NOW, maxBytes: 50 })).toThrow(
    usage(/the limit is 50/),
  );
  expect(() => draftTaskFile('task.txt', Buffer.from([0xff]))).toThrow(
    usage(/^task\.txt is not valid UTF-8/),
  );
});

test('an image that no model reads is a wrong use, in fields and in a file', () => {
  const images = [Buffer.from('random bytes').toString('base64')];
  const usage = expect.objectContaining({
    code: 'usage',
    message: 'task.json images: image 1 is no PNG, JPEG, GIF or WebP',
  });
  expect(() => draftTask({ prompt: 'what is this?', images }, NOW)).toThrow(usage);
  const file = Buffer.from(JSON.stringify({ prompt: 'what is this?', images }));
  expect(() => draftTaskFile('task.json', file)).toThrow(usage);
});

test('a file is taken byte for byte', () => {
  const bytes = Buffer.from('{"prompt":"a",\r\n"model":"m"}');
  const draft = draftTaskFile('task.json', bytes);
  expect(draft).toEqual({ file: 'task.json', bytes, task: { prompt: 'a', model: 'm' }, question: 'a' });
});

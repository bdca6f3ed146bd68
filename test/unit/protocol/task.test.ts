import { expect, test } from 'vitest';
import { conversationOf, questionOf, readTask } from '../../../src/protocol/task.js';

const read = (task: unknown) => readTask('task.json', Buffer.from(JSON.stringify(task)));

test('a task.txt is all prompt, byte for byte', () => {
  const text = ' {"prompt": 1}\r\n\n';
  expect(readTask('task.txt', Buffer.from(text))).toEqual({ ok: true, value: { prompt: text } });
});

test.each(['', ' \n\t\r\n', '\u00a0\u2003'])(
  'a task.txt of nothing but white space (%j) is empty',
  (text) => {
    expect(readTask('task.txt', Buffer.from(text))).toEqual({ ok: false, reason: 'is empty' });
  },
);

test('a task.json with every field is read whole', () => {
  const task = {
    id: 'q-1',
    messages: [
      { role: 'system', content: '' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Yes?' },
      { role: 'user', content: '2+2' },
    ],
    system: 'Be brief.',
    model: 'llama3.2',
    backend: 'ollama',
    options: { temperature: 0.5, top_p: 1, max_tokens: 10, num_ctx: 4096, seed: -3, stop: ['\n'] },
    format: { type: 'object', properties: { a: { type: 'number' } } },
    images: ['aGk='],
    priority: -10,
    timeout_s: 0.5,
    stream: true,
    asked_at: '2026-11-22T17:02:27.123Z',
    metadata: { chat: '17', constructor: 'yes' },
  };
  expect(read(task)).toEqual({ ok: true, value: task });
});

const P = { prompt: '2+2' };
test.each([
  ['neither prompt nor messages', {}, /exactly one of "prompt", "messages" and "request"/],
  ['both of them', { ...P, messages: [{ role: 'user', content: 'x' }] }, /exactly one of/],
  ['a blank prompt', { prompt: ' \n' }, /^prompt: the prompt is empty/],
  ['a prompt that is no text', { prompt: 4 }, /^prompt: /],
  ['no messages', { messages: [] }, /^messages: /],
  ['messages without a user', { messages: [{ role: 'system', content: 'x' }] }, /^messages: .*"user"/],
  ['an unknown role', { messages: [{ role: 'tool', content: 'x' }] }, /^messages\.0\.role: /],
  ['a field too many in a message', { messages: [{ role: 'user', content: 'x', name: 'n' }] }, /"name"/],
  ['an empty id', { ...P, id: '' }, /^id: /],
  ['an id too long', { ...P, id: 'x'.repeat(129) }, /^id: /],
  ['an empty model', { ...P, model: '' }, /^model: /],
  ['a backend that is no word', { ...P, backend: 'OpenAI' }, /^backend: must be a word/],
  ['half a character', { ...P, system: 'a\ud800' }, /^system: has half a character/],
  ['half a character in a key', { ...P, metadata: { '\ud800': 'x' } }, /^metadata: has a key that has half/],
  ['half a character in a schema', { ...P, format: { a: ['\ud800'] } }, /^format: has half a character/],
  ['a temperature below zero', { ...P, options: { temperature: -0.1 } }, /^options\.temperature: /],
  ['a top_p above one', { ...P, options: { top_p: 1.1 } }, /^options\.top_p: /],
  ['half a token', { ...P, options: { max_tokens: 0.5 } }, /^options\.max_tokens: /],
  ['a num_ctx of zero', { ...P, options: { num_ctx: 0 } }, /^options\.num_ctx: /],
  ['a seed that no number holds', { ...P, options: { seed: 2 ** 60 } }, /^options\.seed: /],
  ['an empty stop', { ...P, options: { stop: [''] } }, /^options\.stop\.0: /],
  ['too many stops', { ...P, options: { stop: Array(17).fill('x') } }, /^options\.stop: /],
  ['an unknown option', { ...P, options: { temprature: 1 } }, /^options: .*"temprature"/],
  ['an unknown format', { ...P, format: 'yaml' }, /^format: must be "json" or a JSON Schema/],
  ['a format that is a list', { ...P, format: [] }, /^format: /],
  ['an image that is a path', { ...P, images: ['/etc/passwd.'] }, /^images\.0: must be base64/],
  ['an empty image', { ...P, images: [''] }, /^images\.0: /],
  ['no image', { ...P, images: [] }, /^images: /],
  ['a priority above ten', { ...P, priority: 11 }, /^priority: /],
  ['a priority below minus ten', { ...P, priority: -11 }, /^priority: /],
  ['half a priority', { ...P, priority: 0.5 }, /^priority: /],
  ['a timeout of zero', { ...P, timeout_s: 0 }, /^timeout_s: /],
  ['a timeout of more than a week', { ...P, timeout_s: 604_801 }, /^timeout_s: /],
  ['a time without milliseconds', { ...P, asked_at: '2026-11-22T17:02:27Z' }, /^asked_at: must be like/],
  ['a time in another zone', { ...P, asked_at: '2026-11-22T17:02:27.123+01:00' }, /^asked_at: /],
  ['a day that is none', { ...P, asked_at: '2026-02-30T17:02:27.123Z' }, /^asked_at: /],
  ['metadata that is no text', { ...P, metadata: { chat: 17 } }, /^metadata\.chat: /],
  ['an unknown field', { ...P, promt: 'x' }, /"promt"/],
  ['a list', [], /./],
  ['null', null, /./],
])('%s is refused', (_name, task, reason) => {
  const result = read(task);
  expect(result.ok ? 'read' : result.reason).toMatch(reason);
});

test.each(['task.txt', 'task.json'] as const)(
  'a %s is taken to the limit of its bytes and no further',
  (file) => {
    const bytes = Buffer.from('{"prompt":"абв"}');
    expect(readTask(file, bytes, bytes.length).ok).toBe(true);
    expect(readTask(file, bytes, bytes.length - 1)).toEqual({
      ok: false,
      reason: `has ${bytes.length} bytes; the limit is ${bytes.length - 1}`,
    });
  },
);

test('the question is the prompt, or the last message of the user', () => {
  expect(questionOf({ prompt: 'p' })).toBe('p');
  const messages = [
    { role: 'user', content: 'first' },
    { role: 'user', content: 'last' },
    { role: 'assistant', content: 'a' },
  ] as const;
  expect(questionOf({ messages: [...messages] })).toBe('last');
});

test('the conversation is the system text first, then the prompt or the messages', () => {
  expect(conversationOf({ prompt: 'p' })).toEqual([{ role: 'user', content: 'p' }]);
  const user = { role: 'user' as const, content: 'u' };
  expect(conversationOf({ system: 's', messages: [user] })).toEqual([{ role: 'system', content: 's' }, user]);
});

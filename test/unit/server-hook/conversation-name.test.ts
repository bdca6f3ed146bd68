import { expect, test } from 'vitest';
import type { TaskFile } from '../../../src/protocol/names.js';
import { conversationName } from '../../../src/server-hook/upkeep/conversation-name.js';

const nameOf = (task: unknown, file: TaskFile = 'task.json') =>
  conversationName(file, Buffer.from(typeof task === 'string' ? task : JSON.stringify(task)));
const user = (content: unknown) => ({ role: 'user', content });
const said = (content: string) => ({ role: 'assistant', content });
const call = (body: object, path = '/v1/chat/completions') => ({
  id: String(Math.random()),
  request: { path, body },
});

test('each turn of a conversation has the name of the turn before it, whatever API it is sent by', () => {
  for (const [first, second] of [
    [
      call({ model: 'm', messages: [user('a')] }),
      call({ model: 'm', messages: [user('a'), said('b'), user('c')], temperature: 1 }),
    ],
    [
      call({ model: 'm', input: [user('a')], instructions: 'x' }, '/v1/responses'),
      call({ model: 'm', input: [user('a'), said('b'), user('c')], instructions: 'x' }, '/v1/responses'),
    ],
    [
      call({ model: 'm', system: 's', messages: [user([{ type: 'text', text: 'a' }])] }, '/v1/messages'),
      call(
        { model: 'm', system: 's', messages: [user([{ type: 'text', text: 'a' }]), said('b')] },
        '/v1/messages',
      ),
    ],
    [
      { id: '1', messages: [{ role: 'system', content: 's' }, user('a')] },
      { id: '2', messages: [{ role: 'system', content: 's' }, user('a'), said('b'), user('c')] },
    ],
    [{ prompt: `${'p'.repeat(256)}1` }, { prompt: `${'p'.repeat(256)}2`, id: 'x' }],
  ]) {
    expect(nameOf(first)).toBe(nameOf(second));
    expect(nameOf(first)).toMatch(/^[A-Za-z0-9_-]{43}$/);
  }
});

test('another path, model, system prompt or first message is another conversation', () => {
  const tasks = [
    call({ model: 'm', messages: [user('a')] }),
    call({ model: 'm', messages: [user('a')] }, '/api/chat'),
    call({ model: 'n', messages: [user('a')] }),
    call({ model: 'm', messages: [user('b')] }),
    call({ model: 'm', messages: [{ role: 'system', content: 's' }, user('a')] }),
    call({ model: 'm', system: 's', messages: [user('a')] }),
    call({ model: 'm', input: ['a', 'b'] }, '/v1/embeddings'),
    call({ model: 'm', prompt: 'a' }, '/v1/completions'),
    { prompt: 'a' },
    { messages: [user('a')] },
  ];
  expect(new Set(tasks.map((task) => nameOf(task))).size).toBe(tasks.length);
});

test('whatever an owner has committed has a name', () => {
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '7',
    '{"request":7}',
    '{"request":{"body":[]}}',
    '{"messages":{}}',
  ])
    expect(nameOf(text)).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(nameOf('hello', 'task.txt')).not.toBe(nameOf('world', 'task.txt'));
});

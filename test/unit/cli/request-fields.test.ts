import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { askedFieldsOf } from '../../../src/cli/request-fields.js';
import { tempDir } from '../../support/temp-dir.js';

let dir: string;
const TOOLS = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const BODY = { model: 'm', messages: [{ role: 'user', content: '2+2' }] };

beforeAll(async () => {
  dir = await tempDir();
  const files = {
    'body.json': BODY,
    'request.json': { path: '/api/chat', body: BODY },
    'strange.json': { path: '/api/chat', body: [] },
    'both.json': { path: 'a', body: {}, model: 'm' },
    'list.json': TOOLS,
    'tools.json': { tools: TOOLS },
    'none.json': [],
    'task.json': { messages: [...BODY.messages], system: 'sys', metadata: { a: '1' } },
    'reply.json': { prompt: 'x', reply_to: 'a'.repeat(40) },
    'asked.json': { id: '1', request: { path: '/api/chat', body: BODY } },
  };
  for (const [name, value] of Object.entries(files)) await writeFile(join(dir, name), JSON.stringify(value));
  await writeFile(join(dir, 'twice.json'), '{"model":"a","model":"b"}');
  await writeFile(join(dir, 'photo'), Buffer.from('89504e470d0a1a0a', 'hex'));
});

const FILES = ['request', 'tools', 'file'];

/** As the command line gives them: paths are those of the folder. */
function fieldsOf(given: Readonly<Record<string, unknown>>) {
  const named = Object.entries(given).map(([key, value]) =>
    FILES.includes(key) ? [key, join(dir, `${String(value)}.json`)] : [key, value],
  );
  return askedFieldsOf({ prompt: [], words: [], dedup: false, ...Object.fromEntries(named) } as never);
}

test.each([
  [
    'a body goes to chat completions',
    { request: 'body' },
    { request: { path: '/v1/chat/completions', body: BODY } },
  ],
  ['a path and a body are the call', { request: 'request' }, { request: { path: '/api/chat', body: BODY } }],
  [
    '--path says where',
    { request: 'body', path: '/api/chat' },
    { request: { path: '/api/chat', body: BODY } },
  ],
  [
    '--path goes before that of the file',
    { request: 'request', path: '/v1/messages' },
    { request: { path: '/v1/messages', body: BODY } },
  ],
  [
    '--model goes before that of the body',
    { request: 'request', model: 'n' },
    { request: { path: '/api/chat', body: { ...BODY, model: 'n' } } },
  ],
  [
    'a body that only looks like a call stays one',
    { request: 'both' },
    { request: { path: '/v1/chat/completions', body: { path: 'a', body: {}, model: 'm' } } },
  ],
  [
    'a body that is none is left to the bridge to refuse',
    { request: 'strange', model: 'n' },
    { request: { path: '/api/chat', body: [] } },
  ],
  [
    'what a task says beside it',
    { request: 'body', backend: 'ollama', priority: 2, taskTimeout: 5, metadata: ['chat=7'] },
    {
      backend: 'ollama',
      priority: 2,
      timeout_s: 5,
      metadata: { chat: '7' },
      request: { path: '/v1/chat/completions', body: BODY },
    },
  ],
  ['an embedding', { embed: 'a b' }, { request: { path: '/v1/embeddings', body: { input: 'a b' } } }],
  [
    'an embedding of a model',
    { embed: 'a', model: 'e' },
    { request: { path: '/v1/embeddings', body: { model: 'e', input: 'a' } } },
  ],
  [
    'tools',
    { tools: 'list', prompt: ['the', 'weather?'] },
    {
      request: {
        path: '/v1/chat/completions',
        body: { messages: [{ role: 'user', content: 'the weather?' }], tools: TOOLS },
      },
    },
  ],
  [
    'tools with all that chat completions have',
    {
      ...{ tools: 'tools', prompt: ['x'], system: 's', model: 'm', temperature: 0.5, topP: 1, maxTokens: 9 },
      ...{ seed: 1, stop: ['z'], format: '{"type":"object"}', priority: 1 },
    },
    {
      priority: 1,
      request: {
        path: '/v1/chat/completions',
        body: {
          ...{
            model: 'm',
            messages: [
              { role: 'system', content: 's' },
              { role: 'user', content: 'x' },
            ],
            tools: TOOLS,
          },
          ...{ temperature: 0.5, top_p: 1, max_tokens: 9, seed: 1, stop: ['z'] },
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'answer', strict: true, schema: { type: 'object' } },
          },
        },
      },
    },
  ],
  [
    'tools with a file of messages, and JSON',
    { tools: 'list', file: 'task', format: 'json' },
    {
      metadata: { a: '1' },
      request: {
        path: '/v1/chat/completions',
        body: {
          messages: [{ role: 'system', content: 'sys' }, ...BODY.messages],
          tools: TOOLS,
          response_format: { type: 'json_object' },
        },
      },
    },
  ],
  ['no API call at all', { prompt: ['2+2'] }, { prompt: '2+2' }],
  [
    'a task file that is a request',
    { file: 'asked' },
    { id: '1', request: { path: '/api/chat', body: BODY } },
  ],
])('%s', async (_name, given, fields) => {
  expect(await fieldsOf(given)).toEqual(fields);
});

test('an image goes with the question as a part of it', async () => {
  const { request } = await fieldsOf({ tools: 'list', prompt: ['what?'], image: [join(dir, 'photo')] });
  expect(request?.body.messages).toEqual([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
      ],
    },
  ]);
});

test.each([
  [{ request: 'body', embed: 'x' }, '--request and --embed do not go together'],
  [{ embed: 'x', tools: 'list' }, '--embed and --tools do not go together'],
  [{ path: '/api/chat', prompt: ['x'] }, '--path belongs to --request'],
  [{ request: 'body', prompt: ['x'] }, 'a question does not go with --request'],
  [{ request: 'body', words: ['x'] }, 'a question does not go with --request'],
  [{ request: 'body', system: '' }, '--system does not go with --request'],
  [{ request: 'body', numCtx: 9 }, '--num-ctx does not go with --request'],
  [{ request: 'body', dedup: true }, '--dedup does not go with --request'],
  [{ embed: 'x', replyTo: 'abcd' }, '--reply-to does not go with --embed'],
  [{ embed: 'x', temperature: 0 }, '--temperature does not go with --embed'],
  [{ embed: ' ' }, 'there is nothing to embed'],
  [{ tools: 'list', prompt: ['x'], replyTo: 'abcd' }, '--reply-to does not go with --tools'],
  [{ tools: 'list', prompt: ['x'], numCtx: 9 }, '--num-ctx does not go with --tools'],
  [{ tools: 'list', file: 'reply' }, '--tools does not go with "reply_to"'],
  [{ tools: 'list', file: 'asked' }, '--tools does not go with a --file that is a request'],
  [{ tools: 'none', prompt: ['x'] }, 'none.json '],
  [{ tools: 'body', prompt: ['x'] }, 'body.json '],
  [{ request: 'list' }, 'list.json '],
  [{ request: 'twice' }, 'twice.json has the key "model" twice'],
  [{ request: 'away' }, 'cannot read '],
])('%j is a wrong use, which is named', async (given, words) => {
  await expect(fieldsOf(given)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(words),
  });
});

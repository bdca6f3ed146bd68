import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { RequestPath } from '../../../../src/protocol/request.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { settingsFor, standInFor } from '../generate-fixture.js';
import { pass } from './pass-on.js';

const SSE = 'text/event-stream';
const JSON_TYPE = 'application/json';

/** A server that has the model `one`, and answers every call with these bytes. */
async function serverSaying(type: string, body: string, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    const isList = request.method === 'GET';
    response.writeHead(isList ? 200 : status, { 'content-type': isList ? JSON_TYPE : type });
    response.end(isList ? '{"data":[{"id":"one"}]}' : body);
  }).listen(0, '127.0.0.1');
  onCleanup(() => void server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

const BODIES: Readonly<Partial<Record<RequestPath, Record<string, unknown>>>> = {
  '/v1/responses': { input: 'hi' },
  '/v1/messages': { messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 },
};

async function passTo(openaiUrl: string, path: RequestPath = '/v1/chat/completions') {
  const standIn = await standInFor();
  const body = { model: 'one', ...(BODIES[path] ?? { messages: [{ role: 'user', content: 'hi' }] }) };
  return await pass({ path, body }, settingsFor(standIn, { order: ['openai'], openaiUrl }));
}

const chunk = (content: string, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}`;

test('events are told apart whatever ends their lines, and comments are a sign of life and no event', async () => {
  const stream = `: ping\r\n\r\n${chunk('a')}\r\n\r\n: ping\n\n${chunk('b', 'stop')}\n\ndata: [DONE]\n\n`;
  const { outcome, events, signs } = await passTo(await serverSaying(`${SSE}; charset=utf-8`, stream));
  expect(outcome).toMatchObject({ answer: 'ab', error: null });
  expect(events).toEqual([chunk('a'), chunk('b', 'stop'), 'data: [DONE]']);
  // One for the list of models, one for each comment.
  expect(signs.filter(({ type }) => type === 'alive')).toHaveLength(3);
});

test('a server that answers a call for a stream with a whole body is taken at its word', async () => {
  const body = { model: 'one', choices: [{ index: 0, message: { role: 'assistant', content: 'ab' } }] };
  const { outcome, events } = await passTo(await serverSaying(JSON_TYPE, JSON.stringify(body)));
  expect(outcome).toMatchObject({ answer: 'ab', error: null, response: { status: 200, body } });
  expect(events).toEqual([]);
});

test.each<[string, RequestPath, string, string, number, string, RegExp]>([
  [
    'a stream that just ends',
    '/v1/chat/completions',
    SSE,
    `${chunk('a')}\n\n`,
    200,
    'backend_error',
    /before the answer was complete/,
  ],
  [
    'an event that is no JSON',
    '/v1/chat/completions',
    SSE,
    `data: {"choices"\n\n${chunk('a', 'stop')}\n\n`,
    200,
    'backend_error',
    /not JSON/,
  ],
  [
    "an error of Anthropic's in a stream",
    '/v1/messages',
    SSE,
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"too busy now"}}\n\n',
    200,
    'backend_error',
    /too busy now/,
  ],
  [
    'a response that failed',
    '/v1/responses',
    SSE,
    'event: response.failed\ndata: {"type":"response.failed","response":{"error":{"message":"ran dry"}}}\n\n',
    200,
    'backend_error',
    /ran dry/,
  ],
  [
    'a path that it does not know',
    '/v1/messages',
    JSON_TYPE,
    '{"error":"Unexpected endpoint or method. (POST /v1/messages)"}',
    200,
    'request_refused',
    /does not serve \/v1\/messages/,
  ],
  [
    'what it has not built in',
    '/v1/responses',
    JSON_TYPE,
    '{"error":{"code":501,"message":"This server does not support it"}}',
    501,
    'request_refused',
    /does not serve \/v1\/responses: .*does not support it/,
  ],
  ['a page', '/v1/chat/completions', 'text/html', '<html>', 200, 'backend_error', /not JSON/],
  ['a list', '/v1/chat/completions', JSON_TYPE, '[]', 200, 'backend_error', /no object/],
])('%s is an error that says so, and nothing is kept as a response', async (_what, ...row) => {
  const [path, type, body, status, code, words] = row;
  const { outcome } = await passTo(await serverSaying(type, body, status), path);
  expect(outcome).toMatchObject({ answer: null, error: { code, message: expect.stringMatching(words) } });
  expect(outcome).not.toHaveProperty('response');
});

test('a refusal with status 200 is one with 400, and one for the model keeps what it is', async () => {
  const bad = await passTo(await serverSaying(JSON_TYPE, '{"error":"\'messages\' is missing"}'));
  expect(bad.outcome).toMatchObject({
    error: { code: 'backend_refused' },
    response: { status: 400, body: { error: "'messages' is missing" } },
  });
  const gone = await passTo(await serverSaying(JSON_TYPE, '{"error":"model one not found"}', 404));
  expect(gone.outcome).toMatchObject({ error: { code: 'model_not_found' }, response: { status: 404 } });
});

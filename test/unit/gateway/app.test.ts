import { beforeEach, describe, expect, test } from 'vitest';
import { ApiError } from '../../../src/gateway/api-errors.js';
import { createApp } from '../../../src/gateway/app.js';
import type { BridgeModel } from '../../../src/gateway/bridge-models.js';
import type { GatewayCall, GatewayParts } from '../../../src/gateway/gateway-parts.js';
import { modelNotFound } from '../../../src/gateway/task-errors.js';
import { BridgeError } from '../../../src/protocol/bridge-error.js';

const LLAMA: BridgeModel = {
  name: 'llama3.2:latest',
  can: ['chat', 'tools'],
  agents: ['home-pc'],
  saidMs: Date.UTC(2026, 10, 27),
  loadedUntilMs: Date.UTC(2026, 10, 28),
};
const EMBED: BridgeModel = { ...LLAMA, name: 'all/minilm', can: ['embed'], loadedUntilMs: null };

let calls: GatewayCall[] = [];
let problems: unknown[] = [];
beforeEach(() => {
  calls = [];
  problems = [];
});

const PARTS: GatewayParts = {
  answer: async (call) => {
    calls.push(call);
    return Response.json({ answered: call.body.model });
  },
  models: async () => [LLAMA, EMBED],
  aliases: new Map([['gpt-4o', 'llama3.2']]),
  guards: {
    allowedHosts: [],
    corsOrigins: [],
    tokens: { isInUse: false, nameOf: () => null } as never,
    isOpenToOthers: false,
  },
  health: async () => ({ reason: null, notReady: {} }),
  metrics: { scrape: async () => ({ text: 'up 1\n', contentType: 'text/plain' }) },
  maxBodyBytes: () => 1000,
  maxCalls: 4,
  maxHeldBytes: 10_000,
  version: '1.2.3',
  onProblem: (error) => problems.push(error),
};

function app(parts: Partial<GatewayParts> = {}) {
  return createApp({ ...PARTS, ...parts });
}

async function get(path: string, headers: Record<string, string> = {}, parts: Partial<GatewayParts> = {}) {
  const response = await app(parts).request(path, { headers: { host: 'localhost', ...headers } });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: () => JSON.parse(text) as Record<string, unknown>,
  };
}

async function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  parts: Partial<GatewayParts> = {},
) {
  const response = await app(parts).request(path, {
    method: 'POST',
    headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as unknown };
}

describe('what watches over a gateway', () => {
  const shut = { tokens: { isInUse: true, nameOf: () => null } as never, isOpenToOthers: false };

  test('is told whether it is ready, without a token', async () => {
    const guards = { ...PARTS.guards, ...shut };
    expect(await get('/health', {}, { guards })).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    const reason = 'the disk is full';
    const away = await get('/health', {}, { guards, health: async () => ({ reason, notReady: {} }) });
    expect(away.status).toBe(503);
    expect(away.json()).toEqual({ status: 'not ready', reason });
    // Of several bridges one is enough.
    const health = async () => ({ reason: null, notReady: { club: reason } });
    expect(await get('/health', {}, { guards, health })).toMatchObject({
      ...{ status: 200, text: '{"status":"ok","not_ready":{"club":"the disk is full"}}' },
    });
  });

  test('gets the metrics, with a token where there are some', async () => {
    expect(await get('/metrics')).toMatchObject({ status: 200, text: 'up 1\n' });
    expect((await get('/metrics', {}, { guards: { ...PARTS.guards, ...shut } })).status).toBe(401);
  });
});

describe('a call that generates', () => {
  test.each([
    ['/v1/chat/completions', false, 'v1'],
    ['/v1/completions', false, 'v1'],
    ['/v1/embeddings', false, 'v1'],
    ['/v1/responses', false, 'v1'],
    ['/v1/messages', false, 'messages'],
    ['/api/chat', true, 'api'],
    ['/api/generate', true, 'api'],
    ['/api/embed', false, 'api'],
    ['/api/embeddings', false, 'api'],
  ])('of %s goes into the bridge, streamed by itself: %s', async (path, wantsStream, form) => {
    const body = { model: 'm', messages: [{ role: 'user', content: '2+2' }], prompt: 'x' };
    expect(await post(path, body)).toMatchObject({ status: 200, json: { answered: 'm' } });
    expect(calls).toMatchObject([{ path, body, wantsStream, form, token: null, idempotencyKey: null }]);
  });

  test('names the model that its alias stands for', async () => {
    await post('/v1/chat/completions', { model: 'gpt-4o' });
    expect(calls[0]?.body).toEqual({ model: 'llama3.2' });
  });

  test('says that no third party may read it, or the gateway says it for all; another word is no word', async () => {
    const header = (word: string) => ({ 'x-llm-bridge-local-only': word });
    for (const word of ['true', '1', ' TRUE ']) await post('/v1/responses', {}, header(word));
    expect(calls.map(({ localOnly }) => localOnly)).toEqual([true, true, true]);
    calls.length = 0;
    await post('/v1/messages', {}, header('false'));
    await post('/v1/messages', {});
    expect(calls.some(({ localOnly }) => localOnly === true)).toBe(false);
    calls.length = 0;
    await post('/v1/messages', {}, header('false'), { localOnly: true });
    expect(calls[0]?.localOnly).toBe(true);
    for (const word of ['yes', 'true, false', '2'])
      expect(await post('/v1/responses', {}, header(word))).toMatchObject({
        ...{ status: 400, json: { error: { param: 'x-llm-bridge-local-only' } } },
      });
  });

  test('hands on its Idempotency-Key', async () => {
    await post('/v1/chat/completions', {}, { 'idempotency-key': 'once' });
    expect(calls[0]?.idempotencyKey).toBe('once');
    expect(await post('/v1/chat/completions', {}, { 'idempotency-key': 'x'.repeat(256) })).toMatchObject({
      status: 400,
    });
  });

  test.each([
    ['no JSON', 'x', null],
    ['a list', '[]', null],
    ['a key twice', '{"model":"a","model":"b"}', null],
    ['__proto__', '{"__proto__":{}}', null],
    ['half a character', '{"model":"\\ud800"}', null],
    ['a number without end', '{"n":1e999}', null],
    ['nothing', '', null],
    ['too deep a nest', `{"a":${'['.repeat(70)}${']'.repeat(70)}}`, null],
  ])('is refused with %s in place of its body', async (_what, body, param) => {
    expect(await post('/v1/chat/completions', body)).toMatchObject({
      status: 400,
      json: { error: { type: 'invalid_request_error', param } },
    });
    expect(calls).toEqual([]);
  });

  test('is refused where it is longer than a task may be', async () => {
    expect(await post('/v1/messages', { text: 'x'.repeat(1000) })).toMatchObject({
      status: 413,
      json: { type: 'error', error: { type: 'request_too_large' } },
    });
  });

  test('is answered in the form of its API where it fails', async () => {
    const answer = async () => {
      throw new ApiError('nobody is home', { status: 503, task: 'a'.repeat(40), retryAfterS: 1 });
    };
    const failed = await post('/api/chat', { messages: ['x'] }, {}, { answer });
    expect(failed).toMatchObject({ status: 503, json: { error: 'nobody is home' } });
    expect(failed.headers.get('retry-after')).toBe('1');
    expect(failed.headers.get('x-llm-bridge-task')).toBe('a'.repeat(40));
  });

  test('does not tell the client what failed on our side, but whoever runs us', async () => {
    const secret = new Error('/home/me/secret');
    const answer = () => Promise.reject(secret);
    expect(JSON.stringify(await post('/v1/responses', {}, {}, { answer }))).not.toContain('secret');
    expect(problems).toEqual([secret]);
    const away = new BridgeError('ssh: connect to host', {
      code: 'unreachable',
      remedy: 'x',
      retryable: true,
    });
    const failed = await post('/v1/responses', {}, {}, { answer: () => Promise.reject(away) });
    expect(failed.status).toBe(503);
    expect(failed.headers.get('retry-after')).toBe('1');
  });

  const SECRET = 'what nobody else may read';
  test.each<[what: string, body: unknown, parts: Partial<GatewayParts>]>([
    ['it is no JSON', `{"prompt": "${SECRET}"`, {}],
    ['it is no JSON any more behind it', `{"prompt": "${SECRET}"} and more`, {}],
    ['a key is there twice', `{"prompt": "${SECRET}", "prompt": "${SECRET}"}`, {}],
    ['half a character is in it', { prompt: `${SECRET} \ud800` }, {}],
    ['it is too long', { prompt: SECRET.repeat(50) }, {}],
    ['nobody has the model', { prompt: SECRET }, { answer: () => Promise.reject(modelNotFound('qwen3')) }],
    ['our side fails', { prompt: SECRET }, { answer: () => Promise.reject(new Error('no')) }],
  ])('says nothing of what was asked where %s', async (_what, body, parts) => {
    const refused = await post('/v1/completions', body, {}, parts);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify([refused.json, problems.map(String)])).not.toContain(SECRET);
  });

  test.each([
    ['as many wait already as may', { maxCalls: 1 }],
    ['the bodies of those fill the memory', { maxHeldBytes: 3 }],
  ])('is refused with 429 where %s', async (_what, bounds) => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const answer = async () => {
      await opened;
      return Response.json({});
    };
    const one = app({ answer, ...bounds });
    const call = () =>
      one.request('/v1/responses', {
        method: 'POST',
        headers: { host: 'localhost', 'content-type': 'application/json' },
        body: '{}',
      });
    const first = call();
    expect((await call()).status).toBe(429);
    open();
    expect((await first).status).toBe(200);
    expect((await call()).status).toBe(200);
  });
});

describe('a call that only has a model loaded', () => {
  test.each([
    ['/api/generate', { model: 'llama3.2' }, { response: '', done_reason: 'load' }],
    ['/api/generate', { model: 'llama3.2', prompt: '', keep_alive: 0 }, { done_reason: 'unload' }],
    ['/api/chat', { model: 'llama3.2', messages: [] }, { message: { role: 'assistant', content: '' } }],
  ])('to %s with %j is answered here', async (path, body, answer) => {
    expect(await post(path, body)).toMatchObject({ status: 200, json: { done: true, ...answer } });
    expect(calls).toEqual([]);
  });

  test('says that there is no such model', async () => {
    expect(await post('/api/generate', { model: 'x' })).toMatchObject({
      status: 404,
      json: { error: expect.stringContaining('not found') },
    });
  });
});

describe('what agents have said of their models', () => {
  test('is listed by /v1/models in the form of the API that asks', async () => {
    expect((await get('/v1/models')).json()).toEqual({
      object: 'list',
      data: [
        { id: 'llama3.2:latest', object: 'model', created: 1795737600, owned_by: 'home-pc' },
        { id: 'all/minilm', object: 'model', created: 1795737600, owned_by: 'home-pc' },
      ],
    });
    expect((await get('/v1/models', { 'anthropic-version': '2023-06-01' })).json()).toMatchObject({
      data: [{ type: 'model', id: 'llama3.2:latest', display_name: 'llama3.2:latest' }, {}],
      has_more: false,
      first_id: 'llama3.2:latest',
      last_id: 'all/minilm',
    });
  });

  test('is told of one model, by its name with or without its tag', async () => {
    expect((await get('/v1/models/llama3.2')).json()).toMatchObject({ id: 'llama3.2:latest' });
    expect((await get('/v1/models/all%2Fminilm')).json()).toMatchObject({ id: 'all/minilm' });
    expect((await get('/v1/models/all/minilm')).json()).toMatchObject({ id: 'all/minilm' });
    expect((await get('/v1/models/%ff')).status).toBe(400);
    expect(await get('/v1/models/x')).toMatchObject({ status: 404 });
    expect(await post('/api/show', { model: 'llama3.2' })).toMatchObject({
      json: { capabilities: ['completion', 'tools'] },
    });
  });

  test('is listed by /api/tags and /api/ps', async () => {
    expect((await get('/api/tags')).json()).toMatchObject({
      models: [
        {
          ...{ name: 'llama3.2:latest', digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
          capabilities: ['completion', 'tools'],
        },
        { model: 'all/minilm' },
      ],
    });
    expect((await get('/api/ps')).json()).toMatchObject({
      models: [{ name: 'llama3.2:latest', expires_at: '2026-11-28T00:00:00.000Z' }],
    });
    expect((await get('/api/ps')).text).not.toContain('capabilities');
  });

  test('stands beside a version that clients take, and a word that we run', async () => {
    expect((await get('/api/version')).json()).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      llm_bridge: '1.2.3',
    });
    expect((await get('/')).text).toBe('llm-bridge is running\n');
    const head = await app().request('/', { method: 'HEAD', headers: { host: 'localhost' } });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});

test('the tokens of a prompt are estimated here, and nobody is asked', async () => {
  const count = async (body: object) => {
    const { status, json } = await post('/v1/messages/count_tokens', { model: 'llama3.2', ...body });
    expect(status).toBe(200);
    return (json as { input_tokens: number }).input_tokens;
  };
  const short = { messages: [{ role: 'user', content: 'What is 2+2?' }] };
  const said = await count(short);
  expect(said).toBeGreaterThan(3);
  expect(said).toBeLessThan(30);
  const blocks = [{ type: 'text', text: 'What is 2+2?', cache_control: { type: 'ephemeral' } }];
  expect(await count({ messages: [{ role: 'user', content: blocks }] })).toBe(said);
  expect(await count({ ...short, system: 'x'.repeat(400) })).toBe(said + 100);
  const tools = [{ name: 'add', description: 'adds', input_schema: { type: 'object' } }];
  expect(await count({ ...short, tools })).toBeGreaterThan(said);
  const image = { type: 'image', source: { type: 'base64', data: 'A'.repeat(80) } };
  expect(await count({ messages: [{ role: 'user', content: [image] }] })).toBeGreaterThan(1_000);
  expect(calls).toEqual([]);
  expect(await post('/v1/messages/count_tokens', { messages: [] })).toMatchObject({
    status: 400,
    json: { type: 'error', error: { type: 'invalid_request_error' } },
  });
});

describe('anything else', () => {
  test.each([
    ['/api/pull', 501, /PC/],
    ['/api/create', 501, /PC/],
    ['/api/delete', 501, /PC/],
    ['/api/push', 501, /PC/],
    ['/api/copy', 501, /PC/],
    ['/api/blobs/sha256:1', 501, /PC/],
    ['/v1/files', 501, /files/],
    ['/v1/batches', 501, /batches/],
    ['/v1/responses/compact', 501, /input_items/],
    ['/v1/audio/speech', 501, /language/],
    ['/v1/nothing', 404, /nothing/],
    ['/api/nothing', 404, /nothing/],
    ['/v1/chat', 404, /nothing/],
  ])('%s is answered with %i', async (path, status, words) => {
    const { json, ...rest } = await post(path, {});
    expect(rest.status).toBe(status);
    expect(JSON.stringify(json)).toMatch(words);
    const body = json as { error: unknown; type?: string };
    if (path.startsWith('/api/')) expect(body.error).toBeTypeOf('string');
    else if (path.startsWith('/v1/messages')) expect(body.type).toBe('error');
    else expect(body.error).toMatchObject({ message: expect.any(String) });
    // The official clients would send it twice more.
    expect(rest.headers.get('x-should-retry')).toBe('false');
  });

  test('a wrong method is told the right one', async () => {
    const wrong = await get('/v1/chat/completions');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await post('/v1/models', {})).status).toBe(405);
  });
});

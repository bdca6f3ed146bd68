import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { GenerateSettings } from '../../../../../src/agent/agent-options.js';
import type { BackendTokens } from '../../../../../src/agent/backends/backends.js';
import { sameOpenaiModel } from '../../../../../src/agent/backends/openai/openai.js';
import { openaiBackend } from '../../../../../src/agent/backends/openai/openai-backend.js';
import type { GenerationOutcome } from '../../../../../src/agent/compose-answer.js';
import { inTurn } from '../../../../../src/demo/stand-in/stand-in-request.js';
import type { StandIn } from '../../../../../src/demo/stand-in/start-stand-in.js';
import type { TaskJson } from '../../../../../src/protocol/task.js';
import { onCleanup } from '../../../../support/on-cleanup.js';
import { answerTo, chatBodies, MODEL, settingsFor, standInFor } from '../../generate-fixture.js';

// SECURITY.md: P30

const signal = new AbortController().signal;

/** A prompt of so many words. */
const words = (count: number) => Array.from({ length: count }, () => 'lore').join(' ');

function ask(standIn: StandIn, task: Partial<TaskJson>, changes: Partial<GenerateSettings> = {}) {
  return answerTo({ prompt: '2+2', backend: 'openai', ...task } as TaskJson, settingsFor(standIn, changes));
}

/** What a server of a few paths was asked: method and path, the key, the body. */
interface Asked {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

type Paths = Readonly<Record<string, { status?: number; headers?: Record<string, string>; body: unknown }>>;

/** A server that answers each path with one body; JSON, and text where it is a string. */
async function serverOf(paths: Paths): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const path = `${request.method} ${request.url}`;
    const body = request.method === 'POST' ? await json(request) : undefined;
    asked.push({ path, key: keyOf(request), body });
    const { status = 200, headers = {}, body: answer } = paths[path] ?? { status: 404, body: 'no such path' };
    const isText = typeof answer === 'string';
    const type = isText ? 'text/event-stream' : 'application/json';
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(isText ? answer : JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked };
}

function keyOf(request: IncomingMessage): string | undefined {
  return request.headers.authorization;
}

/** An answer in events, without usage: as KoboldCpp sends it. */
function streamOf(model: string, ...pieces: string[]): string {
  const chunk = (delta: object, finish_reason: string | null) =>
    `data: ${JSON.stringify({ object: 'chat.completion.chunk', model, choices: [{ index: 0, finish_reason, delta }] })}\n\n`;
  return `${pieces.map((content) => chunk({ content }, null)).join('')}${chunk({}, 'stop')}data: [DONE]\n\n`;
}

function answerAt(
  url: string,
  task: Partial<TaskJson> = {},
  tokens: BackendTokens = {},
): Promise<GenerationOutcome> {
  return answerTo({ prompt: '2+2', ...task } as TaskJson, {
    order: ['openai'],
    openaiUrl: url,
    tokens,
    idleTimeoutMs: 60_000,
    totalTimeoutMs: 60_000,
    retryWindowMs: 0,
  });
}

test('each key goes to its own server, in every request, and no other key does', async () => {
  const standIn = await standInFor();
  const tokens = { lmstudio: 'the-token', openai: 'the-key' };
  for (const backend of ['ollama', 'lmstudio', 'openai'] as const) {
    expect(await ask(standIn, { backend }, { tokens })).toMatchObject({ answer: '4', backend });
  }
  const wanted = (path: string) => {
    if (path.startsWith('/openai/')) return 'Bearer the-key';
    return path.startsWith('/v1/') || path.startsWith('/api/v0/') ? 'Bearer the-token' : undefined;
  };
  for (const { path, headers } of standIn.requests) expect(headers.authorization).toBe(wanted(path));
  expect(standIn.requests.filter(({ path }) => path.startsWith('/openai/'))).toHaveLength(3);
});

test('a redirect is not followed, so nobody else gets the key or the prompt', async () => {
  const thief = await serverOf({});
  const headers = { location: `${thief.url}/chat/completions` };
  for (const status of [301, 302, 307, 308]) {
    const models = { body: { data: [{ id: 'm' }] } };
    const moved = { status, headers, body: '' };
    for (const paths of [
      { 'GET /v1/models': moved },
      { 'GET /v1/models': models, 'POST /v1/chat/completions': moved },
    ]) {
      const { url } = await serverOf(paths);
      const { error } = await answerAt(url, { model: 'm' }, { openai: 'the-key' });
      expect(error?.message).toContain(`HTTP ${status}: it redirects to ${headers.location}`);
    }
  }
  expect(thief.asked).toEqual([]);
});

test.each([
  [
    'without a key',
    {},
    'the server wants a key; give it to the agent: --openai-key-file FILE, or OPENAI_API_KEY',
  ],
  ['with another', { openai: 'old' }, 'give the agent the key that the server was started with'],
])('a server that wants a key is backend_unauthorized %s, with what to do', async (_how, tokens, remedy) => {
  const standIn = await standInFor({ token: 'the-key' });
  const { error } = await ask(standIn, {}, { tokens });
  expect(error?.code).toBe('backend_unauthorized');
  expect(error?.message).toContain(`HTTP 401: Invalid API Key; try: ${remedy}`);
});

test('Jan says in plain text that a key is wrong, KoboldCpp in a form of its own', async () => {
  const jan = await serverOf({ 'GET /v1/models': { status: 401, body: 'Missing authorization header' } });
  expect((await answerAt(jan.url)).error?.message).toContain('HTTP 401: Missing authorization header');
  const detail = {
    error: 'Unauthorized',
    msg: 'Authentication key is missing or invalid.',
    type: 'unauthorized',
  };
  const kobold = await serverOf({ 'GET /v1/models': { status: 401, body: { detail } } });
  expect((await answerAt(kobold.url)).error?.message).toContain('HTTP 401: Authentication key is missing');
});

test('an agent without its address does not try it, and says so where a task names it', async () => {
  const standIn = await standInFor();
  const { openaiUrl: _url, ...settings } = settingsFor(standIn, { order: ['ollama', 'openai'] });
  expect(await answerTo({ prompt: '2+2' }, settings)).toMatchObject({ answer: '4', backend: 'ollama' });
  expect(await answerTo({ prompt: '2+2', backend: 'openai' }, settings)).toMatchObject({
    backend: null,
    error: { code: 'unknown_backend', message: 'this agent was given no address of openai: --openai-url' },
  });
});

test('a model that is not listed is not asked: a server of one model would answer all the same', async () => {
  const standIn = await standInFor();
  const outcome = await ask(standIn, { model: 'gpt-4o' });
  expect(outcome.error?.code).toBe('model_not_found');
  expect(outcome.error?.message).toContain(`model gpt-4o not found; installed: ${MODEL.openai}`);
  expect(chatBodies(standIn)).toEqual([]);
});

test('a model is asked in the spelling of the server, by any of its names', async () => {
  const standIn = await standInFor();
  for (const model of ['llama-3.2-3b-instruct-q4_k_m', `unsloth/${MODEL.openai}`]) {
    expect(await ask(standIn, { model })).toMatchObject({ answer: '4', model: MODEL.openai });
  }
  expect(chatBodies(standIn)).toMatchObject([{ model: MODEL.openai }, { model: MODEL.openai }]);
  const list = { data: [{ id: 'gemma.gguf', aliases: ['gemma', 'small'], meta: { n_ctx: 4096 } }] };
  const server = await serverOf({
    'GET /v1/models': { body: list },
    'POST /v1/chat/completions': { body: streamOf('gemma.gguf', 'y', 'es') },
  });
  expect(await answerAt(server.url, { model: 'small' })).toMatchObject({ answer: 'yes', error: null });
  const models = await openaiBackend(server.url).listModels(signal);
  expect(models.map(({ name, isLoaded }) => [name, isLoaded])).toEqual([
    ['gemma.gguf', true],
    ['gemma', true],
    ['small', true],
  ]);
});

test('an answer of another model than the one that the task named is wrong_model', async () => {
  const standIn = await standInFor({ behave: () => ({ model: 'another' }) });
  const { error } = await ask(standIn, { model: MODEL.openai });
  expect(error?.code).toBe('wrong_model');
  expect(await ask(standIn, {})).toMatchObject({ answer: '4', model: 'another' });
});

test.each([
  ['m', 'M', true],
  ['gemma-3', 'gemma-3.gguf', true],
  ['/models/gemma-3.gguf', 'gemma-3', true],
  ['C:\\models\\gemma-3.gguf', 'gemma-3', true],
  ['meta-llama/Llama-3.1-8B', 'Llama-3.1-8B', true],
  ['meta-llama/Llama-3.1-8B', 'other/Llama-3.1-8B', false],
  ['gemma-3', 'gemma-3-270m', false],
])('%s and %s are the same model: %s', (asked, answered, same) => {
  expect(sameOpenaiModel(asked, answered)).toBe(same);
});

test('llama.cpp says what it can do, and the longest context of a task; the others say neither', async () => {
  const standIn = await standInFor({
    models: { openai: [{ name: 'm', capabilities: ['completion', 'vision'], loadedContext: 8192 }] },
  });
  const backend = openaiBackend(standIn.openaiUrl);
  expect(await backend.listModels(signal)).toMatchObject([{ name: 'm', can: ['chat', 'vision'] }]);
  expect(await backend.longestContext?.('m', signal)).toBe(8192);
  const router = {
    data: [
      { id: 'a', owned_by: 'llamacpp', architecture: { input_modalities: ['text', 'image'] } },
      { id: 'b', owned_by: 'llamacpp', architecture: { input_modalities: ['text'] } },
      { id: 'c' },
    ],
  };
  const { url } = await serverOf({ 'GET /v1/models': { body: router } });
  const models = await openaiBackend(url).listModels(signal);
  expect(models.map(({ can }) => can)).toEqual([['chat', 'vision'], ['chat'], []]);
});

test('of several models of llama.cpp those in memory are told from the others, and embeddings', async () => {
  const data = [
    { id: 'a', status: { value: 'unloaded' } },
    { id: 'b', status: { value: 'loaded' }, meta: { n_ctx: 8192, n_ctx_train: 32_768 } },
    { id: 'nomic-embed-text', status: { value: 'unloaded' } },
    { id: 'c', meta: null },
  ];
  const { url } = await serverOf({ 'GET /v1/models': { body: { data } } });
  const models = await openaiBackend(url).listModels(signal);
  expect(models).toMatchObject([
    { name: 'a', isLoaded: false, canChat: true, isCloud: false },
    { name: 'b', isLoaded: true, context: 8192, longestContext: 32_768 },
    { name: 'nomic-embed-text', canChat: false },
    { name: 'c', isLoaded: false, context: null },
  ]);
  expect((await answerAt(url, { model: 'nomic-embed-text' })).error?.code).toBe('model_cannot_chat');
});

test('llama.cpp: a model that only embeds is known by its tokens, else by what the server says to a question', async () => {
  const standIn = await standInFor({ models: { openai: [{ name: 'bge', capabilities: ['embedding'] }] } });
  expect(await openaiBackend(standIn.openaiUrl).listModels(signal)).toMatchObject([
    { name: 'bge', canChat: false, can: [] },
  ]);
  expect(await ask(standIn, { model: 'bge' })).toMatchObject({ error: { code: 'model_cannot_chat' } });
  expect(chatBodies(standIn)).toEqual([]);

  const data = [{ id: 'bge-m3', owned_by: 'llamacpp', meta: { n_ctx: 8192, vocab_type: 4 } }];
  const said = 'the current context does not support logits computation. skipping';
  const { url } = await serverOf({
    'GET /v1/models': { body: { data } },
    'POST /v1/chat/completions': {
      ...{ status: 500, body: { error: { code: 500, message: said, type: 'server_error' } } },
    },
  });
  expect(await answerAt(url, { model: 'bge-m3' })).toMatchObject({
    error: { code: 'model_cannot_chat', message: expect.stringContaining(said) },
  });
});

test('llama.cpp: a prompt that does not fit is context_overflow with its own count', async () => {
  const models = { openai: [{ name: MODEL.openai, loadedContext: 4096, contextLength: 32_768 }] };
  for (const isOld of [false, true]) {
    const standIn = await standInFor({ models, isOld });
    const close = await ask(standIn, { prompt: words(4200) });
    expect(close.error?.message).toContain(
      'the prompt has 4200 tokens, and the context 4096, which is what the server has loaded the model with; the model takes up to 32768; it says: HTTP 400: request (4200 tokens)',
    );
    // No tokenizer makes fewer tokens of it: it is not even sent.
    const far = await ask(standIn, { prompt: words(9000) });
    expect(far.error).toMatchObject({ code: 'context_overflow' });
    expect(chatBodies(standIn)).toHaveLength(1);
  }
});

test.each([
  [
    "This model's maximum context length is 8192 tokens. However, your request has 9001 input tokens. Please reduce the length of the input messages.",
    9001,
  ],
  [
    "This model's maximum context length is 8192 tokens. However, you requested 9512 tokens (9000 in the messages, 512 in the completion).",
    9000,
  ],
  [
    "You passed 8193 input tokens and requested 0 output tokens. However, the model's context length is only 8192 tokens, resulting in a maximum input length of 8192 tokens.",
    8193,
  ],
  [
    'The decoder prompt (length 9004) is longer than the maximum model length of 8192. Make sure that `max_model_len` is no smaller',
    9004,
  ],
])('vLLM: %s', async (message, tokens) => {
  const server = await serverOf({
    'GET /v1/models': { body: { data: [{ id: 'm', owned_by: 'vllm', max_model_len: 8192 }] } },
    'POST /v1/chat/completions': {
      status: 400,
      body: { error: { message, type: 'BadRequestError', param: null, code: 400 } },
    },
  });
  const { error } = await answerAt(server.url, { model: 'm' });
  expect(error?.code).toBe('context_overflow');
  expect(error?.message).toContain(
    `the prompt has ${tokens} tokens, and the context 8192, which is what the server has loaded the model with; it says`,
  );
});

test('LocalAI: what its engine said of the context is read behind its own words', async () => {
  const message =
    'rpc error: code = Internal desc = request (20652 tokens) exceeds the available context size (8192 tokens), try increasing it';
  const server = await serverOf({
    'GET /v1/models': { body: { object: 'list', data: [{ id: 'm', object: 'model' }] } },
    'POST /v1/chat/completions': { status: 500, body: { error: { code: 500, message, type: '' } } },
  });
  const { error } = await answerAt(server.url, { model: 'm' });
  expect(error?.code).toBe('context_overflow');
  expect(error?.message).toContain('the prompt has 20652 tokens, and the context 8192, which is');
});

test('KoboldCpp: a prompt that it would cut in silence is counted first, and never sent', async () => {
  const paths = (tokens: number) => ({
    'GET /v1/models': { body: { data: [{ id: 'koboldcpp/gemma', owned_by: 'koboldcpp' }] } },
    'GET /api/extra/true_max_context_length': { body: { value: 4096 } },
    'POST /api/extra/tokencount': { body: { value: tokens, ids: [] } },
    'POST /v1/chat/completions': { body: streamOf('koboldcpp/gemma', 'yes') },
  });
  const chats = (asked: Asked[]) => asked.filter(({ path }) => path.endsWith('/chat/completions'));
  const full = await serverOf(paths(4096));
  const { error } = await answerAt(full.url, { prompt: words(3000), model: 'gemma' });
  expect(error?.code).toBe('context_overflow');
  expect(error?.message).toContain('the prompt has 4096 tokens, and the context 4096, which is');
  expect(chats(full.asked)).toEqual([]);
  const fits = await serverOf(paths(3000));
  expect(await answerAt(fits.url, { prompt: words(3000), model: 'gemma' })).toMatchObject({
    answer: 'yes',
    model: 'koboldcpp/gemma',
  });
  // A short one needs no count.
  const before = fits.asked.length;
  await answerAt(fits.url, { prompt: 'hi' });
  expect(fits.asked.slice(before).map(({ path }) => path)).not.toContain('POST /api/extra/tokencount');
});

test('llama.cpp that is loading its model is waited for, be it at the list or at the question', async () => {
  const standIn = await standInFor({
    behave: inTurn({ refuse: { kind: 'busy' } }, { refuse: { kind: 'busy', retryAfter: '0' } }),
  });
  const outcome = await ask(standIn, {}, { retryWindowMs: 60_000, retryDelayMs: 1 });
  expect(outcome).toMatchObject({ answer: '4', attempts: 3 });
});

test('an error of older vLLM in the middle of a stream is told in its words', async () => {
  const stream = `data: ${JSON.stringify({ object: 'error', message: 'the GPU is on fire', type: 'BadRequestError', code: 400 })}\n\ndata: [DONE]\n\n`;
  const server = await serverOf({
    'GET /v1/models': { body: { data: [{ id: 'm', max_model_len: 8192 }] } },
    'POST /v1/chat/completions': { body: stream },
  });
  const { error } = await answerAt(server.url, { model: 'm' });
  expect(error?.message).toMatch(/: the GPU is on fire$/);
});

test('Jan without a model is no_model, and with another one model_not_found', async () => {
  const models = { 'GET /v1/models': { body: { object: 'list', data: [{ id: 'm' }] } } };
  const say = (status: number, body: string) =>
    serverOf({ ...models, 'POST /v1/chat/completions': { status, body } });
  const none = await say(503, 'No models are available');
  expect((await answerAt(none.url, { model: 'm' })).error?.code).toBe('no_model');
  const other = await say(404, "No running session found for model 'm'");
  expect((await answerAt(other.url, { model: 'm' })).error?.code).toBe('model_not_found');
});

test('the seed, the system prompt and the limits of a task reach the server; num_ctx does not', async () => {
  const standIn = await standInFor();
  const options = { temperature: 0, top_p: 0.5, seed: 7, max_tokens: 9, num_ctx: 8192, stop: ['END'] };
  await ask(standIn, { system: 'Be brief.', options });
  const { num_ctx: _left, ...sent } = options;
  expect(chatBodies(standIn)).toMatchObject([
    {
      ...sent,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: '2+2' },
      ],
    },
  ]);
  expect(JSON.stringify(chatBodies(standIn))).not.toContain('num_ctx');
});

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Backend, GenerateRequest } from '../../../../src/agent/backends/backend.js';
import { ollamaBackend } from '../../../../src/agent/backends/ollama/ollama-backend.js';
import { openaiBackend } from '../../../../src/agent/backends/openai/openai-backend.js';
import type { Behaviour } from '../../../../src/demo/stand-in/stand-in-request.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { standInFor } from '../generate-fixture.js';

// What real servers sent, as it came (of /api/show a part), is in the folder `recorded`: Ollama, later than
// 0.32.7, and llama.cpp's server, both of August 2026, with gemma-3-270m; and what is about a model that
// only embeds, all-minilm, of Ollama 0.33.0-rc2 and llama.cpp's server of October. The parsers read it, and
// the stand-in says nothing that they do not say.

const FOLDER = fileURLToPath(new URL('./recorded/', import.meta.url));
const read = (file: string) => readFileSync(`${FOLDER}${file}`, 'utf8');
const signal = new AbortController().signal;

const TYPES: Readonly<Record<string, string>> = {
  sse: 'text/event-stream',
  ndjson: 'application/x-ndjson',
  body: 'application/json',
};

/** A server that gives each path what was recorded of it, in a file, with a status. */
async function playing(paths: Readonly<Record<string, readonly [file: string, status?: number]>>) {
  const server = createServer((request, response) => {
    request.resume();
    const [file, status = 200] = paths[request.url ?? ''] ?? ['', 404];
    const type = TYPES[file.split('.').at(-1) ?? ''] ?? 'text/plain';
    response.writeHead(status, { 'content-type': type }).end(file === '' ? 'not found' : read(file));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function llamaServer(file: string, status?: number): Promise<Backend> {
  const chat = status === undefined ? ([file] as const) : ([file, status] as const);
  const url = await playing({ '/v1/models': ['llama-server.models.body'], '/v1/chat/completions': chat });
  return openaiBackend(url);
}

async function ollama(file: string, status?: number): Promise<Backend> {
  const chat = status === undefined ? ([file] as const) : ([file, status] as const);
  const url = await playing({
    '/api/chat': chat,
    '/api/show': ['ollama.show.body'],
    '/api/tags': ['ollama.tags.body'],
    '/api/ps': ['ollama.ps.body'],
  });
  return ollamaBackend(url);
}

function ask(backend: Backend, model: string, more: Partial<GenerateRequest> = {}) {
  const request = {
    model,
    strictModel: true,
    messages: [{ role: 'user' as const, content: 'Say: yes' }],
    images: [],
    options: {},
    format: undefined,
    maxAnswerBytes: 1024 * 1024,
    ...more,
  };
  return backend.generate(request, signal, () => {});
}

test('llama.cpp: a stream is the answer, with its counts and why it ended', async () => {
  const answer = await ask(await llamaServer('llama-server.chat.sse'), 'gemma-3-270m');
  expect(answer).toEqual({
    answer: expect.stringMatching(/^Say: yes/),
    model: 'gemma-3-270m',
    finishReason: 'length',
    usage: { prompt_tokens: 27, completion_tokens: 6 },
  });
});

test('llama.cpp: what is held to a schema is its JSON, line breaks and all', async () => {
  const backend = await llamaServer('llama-server.schema.sse');
  const { answer, finishReason } = await ask(backend, 'gemma-3-270m', { format: { type: 'object' } });
  expect(JSON.parse(answer)).toEqual({ n: expect.any(Number) });
  expect(finishReason).toBe('stop');
});

test('llama.cpp: thinking comes apart from the answer', async () => {
  const backend = await llamaServer('llama-server.thinking.sse');
  const failure: unknown = await ask(backend, 'gemma-3-270m').catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'empty_answer',
    said: { thinking: expect.stringMatching(/\w/), finishReason: 'length' },
  });
});

test.each([
  ['overflow', 400, 'context_overflow', /the prompt has 5024 tokens, and the context 4096, which is/],
  ['image', 500, 'backend_error', /HTTP 500: image input is not supported/],
  ['loading', 503, 'backend_error', /HTTP 503: Loading model/],
])('llama.cpp: its words of %s are read', async (what, status, code, message) => {
  const failure: unknown = await ask(
    await llamaServer(`llama-server.${what}.body`, status),
    'gemma-3-270m',
  ).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(failure).toHaveProperty('kind', status === 503 ? 'busy' : 'final');
});

test('llama.cpp: its list says the model, its context, and what it can do', async () => {
  expect(await (await llamaServer('llama-server.chat.sse')).listModels(signal)).toMatchObject([
    {
      name: 'gemma-3-270m',
      canChat: true,
      isLoaded: true,
      can: ['chat'],
      context: 4096,
      longestContext: 32_768,
    },
  ]);
});

test('Ollama: a stream is the answer, with its counts and why it ended', async () => {
  const answer = await ask(await ollama('ollama.chat.ndjson'), 'gemma3:270m', { options: { max_tokens: 6 } });
  expect(answer).toEqual({
    answer: expect.stringMatching(/^Say: yes/),
    model: 'gemma3:270m',
    finishReason: 'length',
    usage: { prompt_tokens: 27, completion_tokens: 6 },
  });
});

test.each([
  ['overflow', 400, 'context_overflow', /the prompt has 3024 tokens, and the context/],
  ['image', 500, 'backend_error', /HTTP 500: image input is not supported/],
])('Ollama: its words of %s are read out of the JSON in them', async (what, status, code, message) => {
  const task = { options: { num_ctx: 2048 } };
  const failure: unknown = await ask(await ollama(`ollama.${what}.body`, status), 'gemma3:270m', task).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
});

test('Ollama: its list says the model and what it can do', async () => {
  expect(await (await ollama('ollama.chat.ndjson')).listModels(signal)).toMatchObject([
    { name: 'gemma3:270m', canChat: true, isCloud: false, can: ['chat'] },
  ]);
});

test('Ollama: an embedder that it has made itself is told by what it shows, whatever its list says', async () => {
  const url = await playing({
    '/api/show': ['ollama.made-show.body'],
    '/api/tags': ['ollama.made.body'],
    '/api/ps': ['ollama.ps.body'],
  });
  expect(await ollamaBackend(url).listModels(signal)).toMatchObject([
    { name: 'all-minilm:latest', canChat: false, can: ['embed'] },
    { name: 'gemma3:270m', canChat: true, can: ['chat'] },
    { name: 'tools:latest', canChat: true, can: ['chat', 'tools'] },
  ]);
});

test('llama.cpp: an embedder is told by its tokens, and its refusal of a question is read', async () => {
  const embedder = await playing({ '/v1/models': ['llama-server.embedder.body'] });
  expect(await openaiBackend(embedder).listModels(signal)).toMatchObject([
    { name: 'all-minilm', canChat: false },
  ]);
  const refusing = await llamaServer('llama-server.logits.body', 500);
  await expect(ask(refusing, 'gemma-3-270m')).rejects.toMatchObject({ code: 'model_cannot_chat' });
});

/** The events or lines of a stream, as values. */
function valuesOf(stream: string): unknown[] {
  const lines = stream.split('\n').map((line) => line.replace(/^data: /, '').trim());
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as unknown);
}

/** What of `said` is not so in `real`: a field that is missing there, or of another type. */
function inventions(said: unknown, real: unknown, at = ''): string[] {
  const kind = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
  if (kind(said) !== kind(real)) return [`${at}: ${kind(said)}, and really ${kind(real)}`];
  if (typeof said !== 'object' || said === null) return [];
  return Object.entries(said).flatMap(([key, value]) => {
    const there = (real as Record<string, unknown>)[key];
    return there === undefined ? [`${at}.${key} is not there`] : inventions(value, there, `${at}.${key}`);
  });
}

const CHAT = { messages: [{ role: 'user', content: 'hi' }], stream: true };
const USAGE = { stream_options: { include_usage: true } };
const IMAGE = { ...CHAT, model: 'text', messages: [{ role: 'user', content: [{ type: 'image_url' }] }] };

test.each<[string, string, unknown, string, Behaviour]>([
  ['the list of llama.cpp', '/openai/v1/models', undefined, 'llama-server.models.body', {}],
  [
    'a stream of llama.cpp',
    '/openai/v1/chat/completions',
    { ...CHAT, ...USAGE, model: 'text' },
    'llama-server.chat.sse',
    {},
  ],
  [
    'an overflow of llama.cpp',
    '/openai/v1/chat/completions',
    { ...CHAT, model: 'text' },
    'llama-server.overflow.body',
    { refuse: { kind: 'context-overflow' } },
  ],
  ['llama.cpp without images', '/openai/v1/chat/completions', IMAGE, 'llama-server.image.body', {}],
  [
    'llama.cpp while it loads',
    '/openai/v1/chat/completions',
    { ...CHAT, model: 'text' },
    'llama-server.loading.body',
    { refuse: { kind: 'busy' } },
  ],
  ['the list of Ollama', '/api/tags', undefined, 'ollama.tags.body', {}],
  ['a list of Ollama with an embedder that it has made', '/api/tags', undefined, 'ollama.made.body', {}],
  ['a list of llama.cpp with an embedder', '/openai/v1/models', undefined, 'llama-server.embedder.body', {}],
  [
    'a question to an embedder of llama.cpp',
    '/openai/v1/chat/completions',
    { ...CHAT, model: 'text' },
    'llama-server.logits.body',
    { refuse: { kind: 'cannot-chat' } },
  ],
  ['what Ollama has in memory', '/api/ps', undefined, 'ollama.ps.body', {}],
  ['a stream of Ollama', '/api/chat', { ...CHAT, model: 'text' }, 'ollama.chat.ndjson', {}],
])('the stand-in invents nothing: %s', async (_what, path, body, file, behaviour) => {
  const text = [{ name: 'text', capabilities: ['completion'], loadedContext: 4096 }];
  const made = [{ name: 'all-minilm:latest', capabilities: ['embedding'], isMadeHere: true }];
  const ollama = file === 'ollama.made.body' ? made : text;
  const standIn = await standInFor({ models: { ollama, openai: text }, behave: () => behaviour });
  const post = { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`${standIn.ollamaUrl}${path}`, body === undefined ? {} : post);
  const said = valuesOf(await response.text());
  const recorded = valuesOf(read(file));
  expect(said.length).toBeGreaterThan(0);
  const found = said.flatMap((value, at) => {
    // Streams begin alike and end alike; between them is text.
    const fromEnd = said.length - at;
    const real = fromEnd <= 2 ? recorded.at(-fromEnd) : recorded[Math.min(at, recorded.length - 3)];
    return inventions(value, real ?? recorded[0]);
  });
  expect(found).toEqual([]);
});

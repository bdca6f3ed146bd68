import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { embed, generateText, streamText } from 'ai';
import { type ChatRequest, Ollama } from 'ollama';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { BACKENDS } from '../../src/agent/backends/backends.js';
import type { ModelPurpose } from '../../src/agent/backends/call-prompt.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { cleanEnv } from '../support/clean-env.js';
import { type GatewayFixture, startGatewayFixture } from '../support/gateway-fixture.js';
import { runProcess } from '../support/run-process.js';
import { openReal, realServer, variableOf } from './real-server.js';
import { HELD_BY_OLLAMA, TOOL_CALLS } from './tool-calls.js';

// The clients that people install, through a gateway and a bridge, beside it and over ssh, with a real model
// server behind the agent; see model-servers.test.ts for where they are. Those that are installed for their
// test ask it by npm run test:clients.

const QUESTION = [{ role: 'user' as const, content: 'Count: one two three' }];
const SAME = { temperature: 0, seed: 1 };

/** Asks a gateway as one client does: once for all of it, and once for the pieces as they come. */
interface Client {
  readonly what: string;
  /** Ollama's own API, which other servers do not have. */
  readonly isNative?: boolean;
  readonly whole: (url: string, model: string) => Promise<string>;
  readonly pieces: (url: string, model: string) => AsyncIterable<string>;
}

const openai = (url: string, apiKey = 'any') => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const anthropic = (url: string) => new Anthropic({ baseURL: url, apiKey: 'any', maxRetries: 0 });
const ai = (url: string) => createOpenAICompatible({ name: 'bridge', baseURL: `${url}/v1`, apiKey: 'any' });

/** What curl prints of a chat. */
async function curl(url: string, body: object): Promise<string> {
  const type = ['-H', 'content-type: application/json'];
  const args = [
    '-sSN',
    '--fail-with-body',
    `${url}/v1/chat/completions`,
    ...type,
    '-d',
    JSON.stringify(body),
  ];
  const { exitCode, stdout, stderr } = await runProcess('curl', args, {
    ...{ env: cleanEnv('/nonexistent'), timeoutMs: 280_000 },
  });
  expect(exitCode, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

const CLIENTS: readonly Client[] = [
  {
    what: "OpenAI's, a chat",
    async whole(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, ...SAME };
      return (await openai(url).chat.completions.create(body)).choices[0]?.message.content ?? '';
    },
    async *pieces(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, ...SAME, stream: true as const };
      for await (const { choices } of await openai(url).chat.completions.create(body))
        yield choices[0]?.delta.content ?? '';
    },
  },
  {
    what: "OpenAI's, a completion",
    async whole(url, model) {
      const body = { model, prompt: 'One two', max_tokens: 8, ...SAME };
      return (await openai(url).completions.create(body)).choices[0]?.text ?? '';
    },
    async *pieces(url, model) {
      const body = { model, prompt: 'One two', max_tokens: 8, ...SAME, stream: true as const };
      for await (const { choices } of await openai(url).completions.create(body))
        yield choices[0]?.text ?? '';
    },
  },
  {
    what: "OpenAI's, a response",
    async whole(url, model) {
      const body = { model, input: 'Count: one two three', max_output_tokens: 16, temperature: 0 };
      return (await openai(url).responses.create(body)).output_text;
    },
    async *pieces(url, model) {
      const body = { model, input: 'Count: one two three', max_output_tokens: 16, temperature: 0 };
      for await (const event of await openai(url).responses.create({ ...body, stream: true }))
        if (event.type === 'response.output_text.delta') yield event.delta;
    },
  },
  {
    what: "OpenAI's, by its helper of streams",
    async whole(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, ...SAME };
      return (await openai(url).chat.completions.stream(body).finalMessage()).content ?? '';
    },
    async *pieces(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, ...SAME };
      for await (const { choices } of openai(url).chat.completions.stream(body))
        yield choices[0]?.delta.content ?? '';
    },
  },
  {
    what: "Anthropic's",
    async whole(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, temperature: 0 };
      const { content } = await anthropic(url).messages.create(body);
      return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    },
    async *pieces(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, temperature: 0, stream: true as const };
      for await (const event of await anthropic(url).messages.create(body))
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') yield event.delta.text;
    },
  },
  {
    what: "Anthropic's, by its helper of streams",
    async whole(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, temperature: 0 };
      return await anthropic(url).messages.stream(body).finalText();
    },
    async *pieces(url, model) {
      const body = { model, messages: QUESTION, max_tokens: 8, temperature: 0 };
      for await (const event of anthropic(url).messages.stream(body))
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') yield event.delta.text;
    },
  },
  {
    what: 'the one of the AI SDK',
    async whole(url, name) {
      const asked = { prompt: 'Count: one two three', maxOutputTokens: 8, maxRetries: 0, ...SAME };
      return (await generateText({ model: ai(url)(name), ...asked })).text;
    },
    async *pieces(url, name) {
      const asked = { prompt: 'Count: one two three', maxOutputTokens: 8, maxRetries: 0, ...SAME };
      yield* streamText({ model: ai(url)(name), ...asked }).textStream;
    },
  },
  {
    what: 'curl',
    async whole(url, model) {
      const said = await curl(url, { model, messages: QUESTION, max_tokens: 8, ...SAME });
      return (JSON.parse(said) as OpenAI.ChatCompletion).choices[0]?.message.content ?? '';
    },
    async *pieces(url, model) {
      const said = await curl(url, { model, messages: QUESTION, max_tokens: 8, ...SAME, stream: true });
      const lines = said.split('\n').filter((line) => line !== '');
      expect(lines.pop()).toBe('data: [DONE]');
      for (const line of lines) {
        const chunk = JSON.parse(line.replace(/^data: /, '')) as OpenAI.ChatCompletionChunk;
        yield chunk.choices[0]?.delta.content ?? '';
      }
    },
  },
  {
    what: "Ollama's, a chat",
    isNative: true,
    async whole(host, model) {
      const body = { model, messages: QUESTION, options: { num_predict: 8, ...SAME } };
      return (await new Ollama({ host }).chat(body)).message.content ?? '';
    },
    async *pieces(host, model) {
      const body = { model, messages: QUESTION, options: { num_predict: 8, ...SAME }, stream: true as const };
      for await (const { message } of await new Ollama({ host }).chat(body)) yield message.content ?? '';
    },
  },
  {
    what: "Ollama's, a generation",
    isNative: true,
    async whole(host, model) {
      const body = { model, prompt: 'One two', options: { num_predict: 8, ...SAME } };
      return (await new Ollama({ host }).generate(body)).response ?? '';
    },
    async *pieces(host, model) {
      const body = { model, prompt: 'One two', options: { num_predict: 8, ...SAME }, stream: true as const };
      for await (const { response } of await new Ollama({ host }).generate(body)) yield response ?? '';
    },
  },
];

/** Where the gateway and the agent are. */
const PLACES = ['beside it', 'over ssh'] as const;

const CASES = BACKENDS.flatMap(({ name, urlKey }) => PLACES.map((place) => ({ name, urlKey, place })));

describe.each(CASES)('a real $name behind a gateway and a bridge, $place', ({ name, urlKey, place }) => {
  const server = realServer(name);
  let fixture: GatewayFixture;
  let model: string;

  beforeAll(async () => {
    if (server === null) return;
    fixture = await startGatewayFixture({ servers: { [urlKey]: server.url }, ...(await waysTo(place)) });
    model = (await modelFor('chat')) ?? '';
  });

  /** A model of the server for this; null where it has none. */
  async function modelFor(purpose: ModelPurpose, ability?: 'tools'): Promise<string | null> {
    if (server === null) return null;
    const models = await (await openReal(server)).listModels(new AbortController().signal);
    const able = models.filter(({ can }) => ability === undefined || can.includes(ability));
    return bestModel(able, purpose)?.name ?? null;
  }

  function real(title: string, run: (skip: TestContext['skip']) => Promise<void>) {
    test(title, async ({ skip }) => {
      if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
      await run(skip);
    });
  }

  for (const { what, isNative = false, whole, pieces } of CLIENTS) {
    if (isNative && name !== 'ollama') continue;
    real(`answers a client, ${what}, whole and piece by piece alike`, async () => {
      // The first only fills the server's memory, which changes what it rounds.
      await whole(fixture.url, model);
      const said = await whole(fixture.url, model);
      expect(said.trim()).not.toBe('');
      const heard: string[] = [];
      for await (const piece of pieces(fixture.url, model)) if (piece !== '') heard.push(piece);
      expect(heard.length).toBeGreaterThan(1);
      expect(heard.join('')).toBe(said);
    });
  }

  real('says which models there are, and what a model that is not there is', async () => {
    const { data } = await openai(fixture.url).models.list();
    expect(data.map(({ id }) => id)).toContain(model);
    const asked = openai(fixture.url).chat.completions.create({ model: 'nobody', messages: QUESTION });
    await expect(asked).rejects.toMatchObject({ status: 404 });
  });

  real("has OpenAI's client parse an answer by a schema", async () => {
    const fruit = zodResponseFormat(z.object({ fruit: z.enum(['apple', 'pear']) }), 'fruit');
    const body = { model, messages: QUESTION, max_tokens: 40, ...SAME, response_format: fruit };
    const { choices } = await openai(fixture.url).chat.completions.parse(body);
    expect(['apple', 'pear']).toContain(choices[0]?.message.parsed?.fruit);
  });

  real("has OpenAI's client, Anthropic's and Ollama's call a tool", async (skip) => {
    // llama.cpp says nothing of tools.
    const able = name === 'ollama' ? await modelFor('chat', 'tools') : model;
    if (able === null) return skip('no model there can call a tool');
    const bodyOf = (path: keyof typeof TOOL_CALLS) =>
      ({ model: able, ...TOOL_CALLS[path], ...(name === 'ollama' ? HELD_BY_OLLAMA[path] : {}) }) as never;
    const asked: OpenAI.ChatCompletionCreateParamsNonStreaming = bodyOf('/v1/chat/completions');
    const itself = await openai(
      server?.url.replace(/\/v1$/, '') ?? '',
      server?.token,
    ).chat.completions.create(asked);
    if (!itself.choices[0]?.message.tool_calls?.length) return skip('the model called no tool');
    const chat = await openai(fixture.url)
      .chat.completions.stream(bodyOf('/v1/chat/completions'))
      .finalMessage();
    const called = chat.tool_calls?.map((call) => call.type === 'function' && call.function);
    expect(called).toMatchObject([{ name: 'get_weather', arguments: expect.stringMatching(/"Rome"/) }]);
    const message = await anthropic(fixture.url).messages.stream(bodyOf('/v1/messages')).finalMessage();
    expect(message.content).toContainEqual(
      expect.objectContaining({ type: 'tool_use', name: 'get_weather', input: { city: 'Rome' } }),
    );
    if (name !== 'ollama') return;
    const native: ChatRequest & { stream?: false } = bodyOf('/api/chat');
    const { message: own } = await new Ollama({ host: fixture.url }).chat(native);
    const inWords = [{ function: { name: 'get_weather', arguments: { city: 'Rome' } } }];
    expect(own.tool_calls).toMatchObject(inWords);
  });

  real("embeds for OpenAI's client, that of the AI SDK and Ollama's", async (skip) => {
    const embedder = await modelFor('embed');
    if (embedder === null) return skip('no model there embeds');
    const { data } = await openai(fixture.url).embeddings.create({ model: embedder, input: ['one', 'two'] });
    const { embedding } = await embed({ model: ai(fixture.url).textEmbeddingModel(embedder), value: 'one' });
    expect(data).toHaveLength(2);
    expect(embedding).toHaveLength(data[0]?.embedding.length ?? 0);
    if (name !== 'ollama') return;
    const { embeddings } = await new Ollama({ host: fixture.url }).embed({ model: embedder, input: 'one' });
    expect(embeddings[0]).toHaveLength(embedding.length);
  });

  real("stops for Ollama's client that leaves in the middle, and answers the next one", async (skip) => {
    if (name !== 'ollama') return skip("it has not Ollama's own API");
    const leaving = new Ollama({ host: fixture.url });
    const body = { model, messages: QUESTION, options: { num_predict: 400, ...SAME }, stream: true as const };
    const read = (async () => {
      for await (const _ of await leaving.chat(body)) leaving.abort();
    })();
    await expect(read).rejects.toThrow(/abort/i);
    expect((await new Ollama({ host: fixture.url }).list()).models.map((one) => one.name)).toContain(model);
    expect(await CLIENTS[0]?.whole(fixture.url, model)).not.toBe('');
  });
});

/** How the gateway and the agent reach the bridge. */
async function waysTo(place: (typeof PLACES)[number]): Promise<Parameters<typeof startGatewayFixture>[0]> {
  if (place === 'beside it') return {};
  const { sshUrl: repo, principal } = await startBridgeFixture({ sshdConfig: ['MaxSessions 8'] });
  const by = (who: string) => ({ repo, env: principal(who).env });
  return { over: { gateway: by('bot'), agent: by('home-pc') } };
}

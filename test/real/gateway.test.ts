import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { beforeAll, describe, expect, test } from 'vitest';
import { BACKENDS } from '../../src/agent/backends/backends.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { type GatewayFixture, startGatewayFixture } from '../support/gateway-fixture.js';
import { openReal, realServer, variableOf } from './real-server.js';

// The clients that people install, through a gateway and a bridge, with a real model server behind the agent;
// see model-servers.test.ts for where they are.

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

const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 });
const anthropic = (url: string) => new Anthropic({ baseURL: url, apiKey: 'any', maxRetries: 0 });

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

describe.each(BACKENDS.map(({ name, urlKey }) => ({ name, urlKey })))(
  'a real $name behind a gateway',
  ({ name, urlKey }) => {
    const server = realServer(name);
    let fixture: GatewayFixture;
    let model: string;

    beforeAll(async () => {
      if (server === null) return;
      const models = await (await openReal(server)).listModels(new AbortController().signal);
      model = bestModel(models)?.name ?? '';
      fixture = await startGatewayFixture({ servers: { [urlKey]: server.url } });
    });

    const clients = CLIENTS.filter(({ isNative = false }) => name === 'ollama' || !isNative);
    test.for(clients)(
      'answers a client, $what, whole and piece by piece alike',
      async ({ whole, pieces }, { skip }) => {
        if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
        // The first only fills the server's memory, which changes what it rounds.
        await whole(fixture.url, model);
        const said = await whole(fixture.url, model);
        expect(said.trim()).not.toBe('');
        const heard: string[] = [];
        for await (const piece of pieces(fixture.url, model)) if (piece !== '') heard.push(piece);
        expect(heard.length).toBeGreaterThan(1);
        expect(heard.join('')).toBe(said);
      },
    );

    test('says which models there are, and what a model that is not there is', async ({ skip }) => {
      if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
      const { data } = await openai(fixture.url).models.list();
      expect(data.map(({ id }) => id)).toContain(model);
      const asked = openai(fixture.url).chat.completions.create({ model: 'nobody', messages: QUESTION });
      await expect(asked).rejects.toMatchObject({ status: 404 });
    });
  },
);

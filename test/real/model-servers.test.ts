import { describe, expect, test } from 'vitest';
import type { ListedModel } from '../../src/agent/backends/backend.js';
import { BACKENDS } from '../../src/agent/backends/backends.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { answerOf, openReal, type RealServer, realServer, variableOf } from './real-server.js';

// What an agent does, with real model servers that have a model which chats, a small one best:
// LLM_BRIDGE_REAL_OLLAMA, LLM_BRIDGE_REAL_LMSTUDIO and LLM_BRIDGE_REAL_OPENAI say where they listen. What is
// not there is skipped, and says why.

const signal = new AbortController().signal;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
).toString('base64');

/** A text of many tokens, by whichever tokenizer. */
const dense = (count: number) => Array.from({ length: count }, (_, index) => '~^#@|'[index % 5]).join(' ');

describe.each(BACKENDS.map(({ name }) => name))('a real %s', (name) => {
  const server = realServer(name);

  /** A test of this server, skipped with the reason where there is none. */
  function real(title: string, run: (server: RealServer, skip: (why: string) => never) => Promise<void>) {
    test(title, { timeout: 300_000 }, async ({ skip }) => {
      if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
      await run(server, skip);
    });
  }

  async function listed(at: RealServer): Promise<ListedModel> {
    const model = bestModel(await (await openReal(at)).listModels(signal));
    if (model === null) throw new Error(`the ${name} at ${at.url} has no model that chats`);
    return model;
  }

  real('lists a model that chats', async (at) => {
    expect(await listed(at)).toMatchObject({ canChat: true, isCloud: false });
  });

  real('answers piece by piece, with the counts, and has the model in memory from then on', async (at) => {
    const { name: model } = await listed(at);
    const outcome = await answerOf(at, { prompt: 'Count: one two three', system: 'Be brief.' });
    expect(outcome).toMatchObject({ error: null, backend: name, model });
    expect(outcome.pieces.length).toBeGreaterThan(1);
    expect(outcome.pieces.join('').trim()).not.toBe('');
    expect(outcome.usage?.prompt_tokens).toBeGreaterThan(3);
    expect(outcome.usage?.completion_tokens).toBeGreaterThan(1);
    expect(outcome.finish_reason).toMatch(/^(?:stop|length)$/);
    expect(await listed(at)).toMatchObject({ name: model, isLoaded: true });
  });

  real('says the same again with the same seed', async (at) => {
    const task = { prompt: 'Write a word', options: { seed: 7, temperature: 0, max_tokens: 6 } };
    const first = await answerOf(at, task);
    expect(first.error).toBeNull();
    expect((await answerOf(at, task)).answer).toBe(first.answer);
  });

  real('ends at max_tokens, and says so', async (at) => {
    const outcome = await answerOf(at, { prompt: 'Count to a hundred', options: { max_tokens: 5 } });
    expect(outcome).toMatchObject({ error: null, finish_reason: 'length' });
    expect(outcome.usage?.completion_tokens).toBeLessThanOrEqual(6);
  });

  real('is held to a JSON Schema', async (at) => {
    const format = {
      type: 'object',
      properties: { fruit: { enum: ['apple', 'pear'] } },
      required: ['fruit'],
      additionalProperties: false,
    };
    const outcome = await answerOf(at, { prompt: 'Name a fruit', format, options: { max_tokens: 40 } });
    expect(outcome.error).toBeNull();
    expect(['apple', 'pear']).toContain((JSON.parse(outcome.answer ?? '') as { fruit: string }).fruit);
  });

  real('takes an image where the model can, else says so', async (at) => {
    const { error, answer } = await answerOf(at, { prompt: 'What is this?', images: [PNG] });
    if (error === null) expect(answer).not.toBe('');
    else
      expect(error).toMatchObject({
        code: 'backend_error',
        message: expect.stringMatching(/image|vision|multimodal/i),
      });
  });

  real('tells thinking apart where the model thinks', async (at, skip) => {
    const outcome = await answerOf(at, { prompt: 'What is 17 * 3?', options: { max_tokens: 200 } });
    if (outcome.thinking === undefined) skip(`${outcome.model} does not think`);
    expect(outcome.thinking).not.toContain('<think>');
    expect(outcome.answer).not.toContain('<think>');
  });

  real('never cuts a prompt: what does not fit is context_overflow with the numbers', async (at) => {
    const backend = await openReal(at);
    const { name: model } = await listed(at);
    const longest = (await backend.longestContext?.(model, signal)) ?? 131_072;
    const prompt = dense(Math.max(6000, Math.min(longest, 40_000)));
    const { error } = await answerOf(at, { prompt }, { maxContext: 2048 });
    expect(error?.code).toBe('context_overflow');
    expect(error?.message).toMatch(/the prompt has (?:about )?\d+ tokens, and the context \d+, which is /);
  });

  real('with a model that is not there is an error that names what there is', async (at) => {
    const { name: model } = await listed(at);
    const { error } = await answerOf(at, { prompt: 'hi', model: 'no-such-model' });
    expect(error).toMatchObject({ code: 'model_not_found', message: expect.stringContaining(model) });
  });

  real('is not told a prompt for a model of the cloud', async (at) => {
    const { error } = await answerOf(at, { prompt: 'a secret', model: 'gpt-oss:120b-cloud' });
    expect(error?.code).toBe('cloud_model');
  });

  real('stops for a task that is cancelled, and answers the next one', async (at) => {
    const cancelled = new AbortController();
    const backend = await openReal(at);
    const { name: model } = await listed(at);
    const request = {
      model,
      strictModel: true,
      messages: [{ role: 'user' as const, content: 'Write a long story about the sea' }],
      images: [],
      options: { max_tokens: 4000 },
      format: undefined,
      maxAnswerBytes: 1024 * 1024,
    };
    const generation = backend.generate(request, cancelled.signal, (sign) => {
      if (sign.type === 'piece') cancelled.abort(new Error('it was cancelled'));
    });
    await expect(generation).rejects.toThrow('it was cancelled');
    const next = await answerOf(at, { prompt: 'Say: yes' });
    expect(next.error).toBeNull();
  });

  real('makes embeddings, or says that it does not', async (at, skip) => {
    const models = await (await openReal(at)).listModels(signal);
    const model = bestModel(models, 'embed')?.name ?? (await listed(at)).name;
    const url = name === 'ollama' ? `${at.url}/api/embed` : `${at.url}/embeddings`;
    const headers = {
      'content-type': 'application/json',
      ...(at.token === undefined ? {} : { authorization: `Bearer ${at.token}` }),
    };
    const body = JSON.stringify({ model, input: 'hi' });
    const response = await fetch(url, { method: 'POST', headers, body });
    const said = (await response.json()) as { error?: unknown; embeddings?: unknown[]; data?: unknown[] };
    if (!response.ok) skip(`HTTP ${response.status}: ${JSON.stringify(said.error).slice(0, 200)}`);
    expect((said.embeddings ?? said.data)?.length).toBe(1);
  });
});

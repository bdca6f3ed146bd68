import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { Ollama } from 'ollama';
import OpenAI, { toFile } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type Behaviour, inTurn } from '../../../src/demo/stand-in/stand-in-request.js';
import { gate } from '../../support/bridge-agent.js';
import { type GatewayFixture, startGatewayFixture } from '../../support/gateway-fixture.js';
import { readCodeBlocks } from '../../support/read-markdown.js';
import { tempDir } from '../../support/temp-dir.js';

// The clients are those that people install, and none of them is told that it speaks with a bridge.

const MODEL = 'llama3.2';
const EMBEDDER = 'all-minilm';
const QUESTION = [{ role: 'user' as const, content: 'What is 2+2?' }];
/** A model that first calls a function, and then answers what it is told. */
const CALLS_ADD: readonly Behaviour[] = [
  { toolCalls: [{ name: 'add', arguments: { a: 2, b: 2 } }] },
  { answer: 'It is 4.' },
];
const ADD = {
  name: 'add',
  description: 'Adds two numbers',
  parameters: {
    type: 'object' as const,
    properties: { a: { type: 'number' }, b: { type: 'number' } },
    required: ['a', 'b'],
  },
};

let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await startGatewayFixture({
    gateway: { aliases: new Map([['gpt-4o', MODEL]]) },
    standIn: {
      models: {
        ollama: [
          { name: 'llama3.2:latest', capabilities: ['completion', 'tools'] },
          { name: 'all-minilm:latest', capabilities: ['embedding'] },
        ],
      },
    },
  });
});
beforeEach(() => {
  fixture.standIn.behave = () => ({});
});

/**
 * Reads texts of a stream whose model waits after its first word until that word has arrived at the client.
 * A stream that comes only when it is whole never ends here.
 */
async function readLive(
  start: () => AsyncIterable<string> | Promise<AsyncIterable<string>>,
): Promise<string> {
  const { opened, open } = gate();
  fixture.standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 1, until: opened } });
  let text = '';
  for await (const piece of await start()) {
    text += piece;
    if (text !== '') open();
  }
  return text;
}

/** The text of a response whose model waits after its first word until that word is here. */
async function readToItsEnd(
  stream: AsyncIterable<OpenAI.Responses.ResponseStreamEvent>,
  open: () => void,
): Promise<string> {
  let text = '';
  for await (const event of stream) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (text !== '') open();
  }
  return text;
}

async function* textsOf<T>(stream: AsyncIterable<T>, textOf: (piece: T) => string | null | undefined) {
  for await (const piece of stream) yield textOf(piece) ?? '';
}

describe('openai', () => {
  let client: OpenAI;
  beforeAll(() => {
    client = new OpenAI({ baseURL: `${fixture.url}/v1`, apiKey: 'any', maxRetries: 0 });
  });

  test('chats, and is told the task', async () => {
    const { data, response } = await client.chat.completions
      .create({ model: 'gpt-4o', messages: QUESTION, user: 'me' })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe('4');
    expect(response.headers.get('x-llm-bridge-task')).toMatch(/^[0-9a-f]{40}$/);
    expect(response.headers.get('x-llm-bridge-dropped')).toContain('user');
  });

  test('streams a chat live', async () => {
    const text = await readLive(async () =>
      textsOf(
        await client.chat.completions.create({ model: MODEL, messages: QUESTION, stream: true }),
        (chunk) => chunk.choices[0]?.delta.content,
      ),
    );
    expect(text).toBe('one two three');
  });

  test('has its stream helper put a whole message together', async () => {
    const stream = client.chat.completions.stream({
      model: MODEL,
      messages: QUESTION,
      stream_options: { include_usage: true },
    });
    expect((await stream.finalMessage()).content).toBe('4');
    expect((await stream.totalUsage()).total_tokens).toBeGreaterThan(0);
  });

  test.each([false, true])('has its helper run functions, streamed: %s', async (stream) => {
    fixture.standIn.behave = inTurn(...CALLS_ADD);
    const called: unknown[] = [];
    const run = client.chat.completions.runTools({
      model: MODEL,
      messages: QUESTION,
      stream: stream as false,
      tools: [
        {
          type: 'function',
          function: {
            ...ADD,
            parse: JSON.parse,
            function: (args: unknown) => {
              called.push(args);
              return '4';
            },
          },
        },
      ],
    });
    expect(await run.finalContent()).toBe('It is 4.');
    expect(called).toEqual([{ a: 2, b: 2 }]);
  });

  test('parses an answer by a schema', async () => {
    const completion = await client.chat.completions.parse({
      model: MODEL,
      messages: QUESTION,
      response_format: zodResponseFormat(z.object({ result: z.number() }), 'sum'),
    });
    expect(completion.choices[0]?.message.parsed).toEqual({ result: 4 });
  });

  test('embeds, in numbers and as it asks by itself in base64', async () => {
    const given = await client.embeddings.create({ model: EMBEDDER, input: ['a', 'b'] });
    const plain = await client.embeddings.create({
      model: EMBEDDER,
      input: ['a', 'b'],
      encoding_format: 'float',
    });
    expect(given.data).toHaveLength(2);
    expect(given.data[0]?.embedding.length).toBeGreaterThan(0);
    for (const [at, { embedding }] of plain.data.entries()) {
      const [...numbers] = given.data[at]?.embedding ?? [];
      expect(numbers).toHaveLength(embedding.length);
      for (const [n, number] of numbers.entries()) expect(number).toBeCloseTo(embedding[n] ?? Number.NaN, 5);
    }
  });

  test('completes a text, whole and streamed', async () => {
    const whole = await client.completions.create({ model: MODEL, prompt: '2+2' });
    expect(whole.choices[0]?.text).toBe('4');
    const text = await readLive(async () =>
      textsOf(
        await client.completions.create({ model: MODEL, prompt: '2+2', stream: true }),
        (chunk) => chunk.choices[0]?.text,
      ),
    );
    expect(text).toBe('one two three');
  });

  test('gets a response, whole and streamed', async () => {
    const whole = await client.responses.create({ model: MODEL, input: 'What is 2+2?' });
    expect([whole.output_text, whole.status]).toEqual(['4', 'completed']);
    expect(whole.id).toMatch(/^resp_[0-9a-f]{40}$/);
    const stream = client.responses.stream({ model: MODEL, input: 'What is 2+2?' });
    expect((await stream.finalResponse()).output_text).toBe('4');
  });

  test('streams a response live', async () => {
    const text = await readLive(async () =>
      textsOf(
        await client.responses.create({ model: MODEL, input: 'What is 2+2?', stream: true }),
        (event) => (event.type === 'response.output_text.delta' ? event.delta : null),
      ),
    );
    expect(text).toBe('one two three');
  });

  test('has a response made in the background, and fetches it by its id', async () => {
    const { opened, open } = gate();
    fixture.standIn.behave = () => ({ answer: 'one two', pause: { afterChunks: 1, until: opened } });
    const asked = { model: MODEL, input: 'What is 2+2?', background: true, metadata: { chat: '7' } };
    const queued = await client.responses.create(asked);
    expect(queued).toMatchObject({ status: 'queued', background: true, output: [] });
    const stream = await client.responses.retrieve(queued.id, { stream: true });
    const text = await readToItsEnd(stream, open);
    expect(text).toBe('one two');
    const done = await client.responses.retrieve(queued.id);
    expect(done).toMatchObject({ id: queued.id, status: 'completed', output_text: 'one two' });
    expect(done.metadata).toEqual({ chat: '7' });
    const again = await client.responses.stream({ response_id: queued.id }).finalResponse();
    expect(again.output_text).toBe('one two');
    const { data } = await client.responses.inputItems.list(queued.id);
    expect(data).toMatchObject([{ type: 'message', content: [{ text: 'What is 2+2?' }] }]);
  });

  test('streams a response in the background, leaves, and goes on where it was', async () => {
    const { opened, open } = gate();
    fixture.standIn.behave = () => ({ answer: 'one two', pause: { afterChunks: 1, until: opened } });
    const asked = { model: MODEL, input: 'and on', background: true, stream: true } as const;
    let [id, at] = ['', -1];
    for await (const event of await client.responses.create(asked)) {
      if (event.type === 'response.created') id = event.response.id;
      at = event.sequence_number;
      if (event.type === 'response.output_text.delta') break;
    }
    open();
    const rest = [];
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: at }))
      rest.push(event);
    expect(rest[0]?.sequence_number).toBe(at + 1);
    expect(rest.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { id, output: [{ content: [{ text: 'one two' }] }] },
    });
  });

  test('cancels a response in the background, twice', async () => {
    const { opened, open } = gate();
    fixture.standIn.behave = () => ({ answer: 'one two', pause: { afterChunks: 1, until: opened } });
    const { id } = await client.responses.create({ model: MODEL, input: 'cancelled', background: true });
    expect((await client.responses.cancel(id)).status).toBe('cancelled');
    expect((await client.responses.cancel(id)).status).toBe('cancelled');
    expect((await client.responses.retrieve(id)).status).toBe('cancelled');
    open();
    await expect(client.responses.delete(id)).rejects.toThrow('nothing of it is deleted');
    await expect(client.responses.retrieve('resp_none')).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('sends a batch as a file, and fetches its results', async () => {
    const lines = [1, 2].map((at) => {
      const body = { model: MODEL, messages: QUESTION };
      return JSON.stringify({ custom_id: `q${at}`, method: 'POST', url: '/v1/chat/completions', body });
    });
    const sent = { file: await toFile(Buffer.from(lines.join('\n')), 'in.jsonl'), purpose: 'batch' } as const;
    const file = await client.files.create(sent);
    expect((await client.files.waitForProcessing(file.id)).filename).toBe('in.jsonl');
    const window = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
    const { id } = await client.batches.create({ ...window, input_file_id: file.id, metadata: { a: 'b' } });
    await expect
      .poll(() => client.batches.retrieve(id), { timeout: 60_000 })
      .toMatchObject({
        ...{ status: 'completed', metadata: { a: 'b' }, request_counts: { total: 2, completed: 2 } },
      });
    const { output_file_id } = await client.batches.retrieve(id);
    const text = await (await client.files.content(output_file_id ?? '')).text();
    expect(text.match(/"custom_id":"q\d"/g)).toEqual(['"custom_id":"q1"', '"custom_id":"q2"']);
    const listed = [];
    for await (const batch of client.batches.list({ limit: 1 })) listed.push(batch.id);
    expect(listed).toContain(id);
    await expect(client.batches.cancel(id)).rejects.toThrow(OpenAI.ConflictError);
    expect(await client.files.delete(file.id)).toMatchObject({ deleted: true });
  });

  test('is told of a model that nobody has by its own error', async () => {
    const asked = client.chat.completions.create({ model: 'no-such', messages: QUESTION });
    await expect(asked).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('is told which field was wrong', async () => {
    const asked = client.chat.completions.create({ model: MODEL, messages: 'x' as never });
    const error = await asked.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect((error as { param: unknown }).param).toMatch(/^messages/);
  });

  test('lists models and finds one', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(expect.arrayContaining(['llama3.2:latest', 'all-minilm:latest', 'gpt-4o']));
    expect((await client.models.retrieve(MODEL)).id).toBe('llama3.2:latest');
  });
});

describe('ollama', () => {
  let client: Ollama;
  beforeAll(() => {
    client = new Ollama({ host: fixture.url });
  });

  test('chats and generates', async () => {
    expect((await client.chat({ model: MODEL, messages: QUESTION })).message.content).toBe('4');
    expect((await client.generate({ model: MODEL, prompt: '2+2' })).response).toBe('4');
  });

  test('streams both live', async () => {
    const chat = await readLive(async () =>
      textsOf(
        await client.chat({ model: MODEL, messages: QUESTION, stream: true }),
        ({ message }) => message.content,
      ),
    );
    const generate = await readLive(async () =>
      textsOf(
        await client.generate({ model: MODEL, prompt: '2+2', stream: true }),
        ({ response }) => response,
      ),
    );
    expect([chat, generate]).toEqual(['one two three', 'one two three']);
  });

  test('is given a call of a function', async () => {
    fixture.standIn.behave = inTurn(...CALLS_ADD);
    const { message } = await client.chat({
      model: MODEL,
      messages: QUESTION,
      tools: [{ type: 'function', function: ADD }],
    });
    expect(message.tool_calls?.[0]?.function).toMatchObject({ name: 'add', arguments: { a: 2, b: 2 } });
  });

  test('embeds, in both ways it knows', async () => {
    const { embeddings } = await client.embed({ model: EMBEDDER, input: ['a', 'b'] });
    expect(embeddings).toHaveLength(2);
    expect((await client.embeddings({ model: EMBEDDER, prompt: 'a' })).embedding.length).toBeGreaterThan(0);
  });

  test('lists models, shows one, and says which are in memory', async () => {
    const { models } = await client.list();
    expect(models.map(({ name }) => name)).toContain('llama3.2:latest');
    expect((await client.show({ model: MODEL })).capabilities).toEqual(['completion', 'tools']);
    expect((await client.ps()).models).toEqual(expect.any(Array));
  });

  test('can leave in the middle of a stream', async () => {
    const { opened, open } = gate();
    fixture.standIn.behave = () => ({ answer: 'one two', pause: { afterChunks: 1, until: opened } });
    const own = new Ollama({ host: fixture.url });
    const stream = await own.chat({ model: MODEL, messages: QUESTION, stream: true });
    const read = (async () => {
      for await (const _ of stream) own.abort();
    })();
    await expect(read).rejects.toThrow(/abort/i);
    open();
  });

  test('is told that the models are not managed here', async () => {
    await expect(client.pull({ model: 'x' })).rejects.toThrow(/PC/);
    await expect(client.delete({ model: 'x' })).rejects.toThrow(/PC|not/);
  });
});

describe('@anthropic-ai/sdk', () => {
  let client: Anthropic;
  beforeAll(() => {
    client = new Anthropic({ baseURL: fixture.url, apiKey: 'any', maxRetries: 0 });
  });
  const call = { model: MODEL, max_tokens: 100, messages: QUESTION };

  test('gets a message', async () => {
    const message = await client.messages.create(call);
    expect(message.content).toMatchObject([{ type: 'text', text: '4' }]);
  });

  test('streams one live', async () => {
    const text = await readLive(async () =>
      textsOf(await client.messages.create({ ...call, stream: true }), (event) =>
        event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : null,
      ),
    );
    expect(text).toBe('one two three');
  });

  test('has its stream helper put a whole message together', async () => {
    expect(await client.messages.stream(call).finalText()).toBe('4');
  });

  test('is given a call of a function, streamed', async () => {
    fixture.standIn.behave = inTurn(...CALLS_ADD);
    const { name, description, parameters } = ADD;
    const stream = client.messages.stream({
      ...call,
      tools: [{ name, description, input_schema: parameters }],
    });
    const { content, stop_reason } = await stream.finalMessage();
    expect(content.find(({ type }) => type === 'tool_use')).toMatchObject({ name, input: { a: 2, b: 2 } });
    expect(stop_reason).toBe('tool_use');
  });

  test('lists models, and is told of one that nobody has by its own error', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toContain('llama3.2:latest');
    await expect(client.messages.create({ ...call, model: 'no-such' })).rejects.toThrow(
      Anthropic.NotFoundError,
    );
  });
});

describe('ai', () => {
  let provider: ReturnType<typeof createOpenAICompatible>;
  beforeAll(() => {
    provider = createOpenAICompatible({
      name: 'bridge',
      baseURL: `${fixture.url}/v1`,
      apiKey: 'any',
      supportsStructuredOutputs: true,
    });
  });

  test('generates text', async () => {
    expect((await generateText({ model: provider(MODEL), prompt: '2+2', maxRetries: 0 })).text).toBe('4');
  });

  test('streams text live', async () => {
    const text = await readLive(() => streamText({ model: provider(MODEL), prompt: '2+2' }).textStream);
    expect(text).toBe('one two three');
  });

  test('generates an object', async () => {
    const { object } = await generateObject({
      model: provider(MODEL),
      prompt: '2+2',
      schema: z.object({ result: z.number() }),
      maxRetries: 0,
    });
    expect(object).toEqual({ result: 4 });
  });

  test('calls functions in a loop', async () => {
    fixture.standIn.behave = inTurn(...CALLS_ADD);
    const { text, steps } = await generateText({
      model: provider(MODEL),
      prompt: 'What is 2+2?',
      stopWhen: stepCountIs(3),
      maxRetries: 0,
      tools: {
        add: tool({
          description: 'Adds two numbers',
          inputSchema: z.object({ a: z.number(), b: z.number() }),
          execute: async ({ a, b }) => a + b,
        }),
      },
    });
    expect([text, steps[0]?.toolResults[0]?.output]).toEqual(['It is 4.', 4]);
  });

  test('embeds', async () => {
    const { embeddings } = await embedMany({
      model: provider.textEmbeddingModel(EMBEDDER),
      values: ['a', 'b'],
      maxRetries: 0,
    });
    expect(embeddings).toHaveLength(2);
  });
});

describe('curl', () => {
  const curl = async (path: string, ...args: readonly string[]) =>
    (await promisify(execFile)('curl', ['-sSN', `${fixture.url}${path}`, ...args])).stdout;

  test('as in the pages of Ollama, without a type of what it sends', async () => {
    const lines = (await curl('/api/generate', '-d', '{"model":"llama3.2","prompt":"2+2"}'))
      .trim()
      .split('\n');
    const said = lines.map((line) => JSON.parse(line) as { response: string; done: boolean });
    expect(said.map(({ response }) => response).join('')).toBe('4');
    expect(said.at(-1)?.done).toBe(true);
  });

  test('as in the pages of OpenAI, streamed to [DONE]', async () => {
    const body = JSON.stringify({ model: MODEL, messages: QUESTION, stream: true });
    const text = await curl('/v1/chat/completions', '-H', 'content-type: application/json', '-d', body);
    expect(text).toMatch(/^data: \{/);
    expect(text.trimEnd()).toMatch(/data: \[DONE\]$/);
  });
});

test('the Node bot of docs/clients.md edits its message as the answer grows', async () => {
  const page = await readFile(new URL('../../../docs/clients.md', import.meta.url), 'utf8');
  const block = readCodeBlocks(page).find(({ language }) => language === 'js');
  const file = join(await tempDir(), 'bot.mjs');
  // What npm install does in a project of one's own.
  const installed = import.meta.resolve('openai');
  await writeFile(file, (block?.text ?? '').replace("from 'openai'", `from '${installed}'`));
  const { answerByEdits } = (await inEnv(
    { OPENAI_BASE_URL: `${fixture.url}/v1`, OPENAI_API_KEY: 'any' },
    () => import(pathToFileURL(file).href),
  )) as { answerByEdits: (question: string, edit: (text: string) => Promise<void>) => Promise<void> };
  const { opened, open } = gate();
  fixture.standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 1, until: opened } });
  const edits: string[] = [];
  await answerByEdits('What is 2+2?', async (text) => {
    edits.push(text);
    open();
  });
  expect(edits[0]).toBe('one');
  expect(edits.at(-1)).toBe('one two three');
});

async function inEnv<T>(variables: Record<string, string>, job: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return await job();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

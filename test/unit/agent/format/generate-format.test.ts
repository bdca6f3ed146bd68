import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import { answerTo, BACKENDS, chatBodies, settingsFor, standInFor } from '../generate-fixture.js';

const FORMAT = {
  type: 'object',
  properties: { result: { type: 'integer' }, unit: { enum: ['apples', 'pears'] } },
  required: ['result', 'unit'],
  additionalProperties: false,
};

test.each(BACKENDS)('%s answers a JSON Schema with JSON that fits it', async (backend) => {
  const standIn = await standInFor();
  const outcome = await answerTo({ prompt: '2+2', backend, format: FORMAT }, settingsFor(standIn));
  expect(outcome).toMatchObject({ answer: '{"result":4,"unit":"apples"}', error: null });
});

test.each(BACKENDS)('%s answers the format "json" with JSON', async (backend) => {
  const standIn = await standInFor();
  const outcome = await answerTo({ prompt: '2+2', backend, format: 'json' }, settingsFor(standIn));
  expect(outcome.error).toBeNull();
  expect(JSON.parse(outcome.answer ?? '')).toBeTypeOf('object');
});

test('a schema goes to each as it takes one, and so does json', async () => {
  const standIn = await standInFor({ behave: () => ({ answer: '{"result":4,"unit":"pears"}' }) });
  for (const backend of BACKENDS) {
    await answerTo({ prompt: '2+2', backend, format: FORMAT }, settingsFor(standIn));
    await answerTo({ prompt: '2+2', backend, format: 'json' }, settingsFor(standIn));
  }
  const jsonSchema = (schema: unknown) => ({
    response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
  });
  expect(chatBodies(standIn)).toMatchObject([
    { format: FORMAT },
    { format: 'json' },
    jsonSchema(FORMAT),
    jsonSchema({ type: 'object' }),
    // Without `strict`, by which OpenAI refuses most schemas.
    { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: FORMAT } } },
    { response_format: { type: 'json_object' } },
  ]);
  expect(JSON.stringify(chatBodies(standIn).slice(4))).not.toContain('strict');
});

test.each(BACKENDS)(
  'an answer of %s that does not fit is generated once more, with the complaint',
  async (backend) => {
    const bad = '{"result":"four","unit":"apples"}';
    const usage = { promptTokens: 10, completionTokens: 5 };
    const standIn = await standInFor({
      behave: inTurn({ answer: bad, usage }, { answer: '{"result":4,"unit":"pears"}', usage }),
    });
    const outcome = await answerTo({ prompt: '2+2', backend, format: FORMAT }, settingsFor(standIn));
    expect(outcome).toMatchObject({
      answer: '{"result":4,"unit":"pears"}',
      usage: { prompt_tokens: 20, completion_tokens: 10 },
    });
    expect(chatBodies(standIn)[1]).toMatchObject({
      messages: [
        { role: 'user', content: '2+2' },
        { role: 'assistant', content: bad },
        { role: 'user', content: expect.stringContaining('/result must be integer') },
      ],
    });
  },
);

test.each(BACKENDS)('invalid JSON of %s first and valid JSON then is an answer', async (backend) => {
  const standIn = await standInFor({ behave: inTurn({ answer: '{"result":' }, { answer: '{"a":1}' }) });
  const outcome = await answerTo({ prompt: '2+2', backend, format: 'json' }, settingsFor(standIn));
  expect(outcome).toMatchObject({ answer: '{"a":1}', error: null });
});

test.each(BACKENDS)(
  'an answer of %s that does not fit twice is invalid_format, and is not asked a third time',
  async (backend) => {
    const standIn = await standInFor({ behave: () => ({ answer: 'four, I think' }) });
    const outcome = await answerTo({ prompt: '2+2', backend, format: FORMAT }, settingsFor(standIn));
    expect(outcome).toMatchObject({ answer: null, backend, error: { code: 'invalid_format' } });
    expect(outcome.error?.message).toMatch(/does not fit the format, twice: it is not JSON/);
    expect(chatBodies(standIn)).toHaveLength(2);
  },
);

test('an answer cut off at its length is not asked for again', async () => {
  const standIn = await standInFor({ behave: () => ({ answer: '{"result":4,"un', finishReason: 'length' }) });
  const { error } = await answerTo({ prompt: '2+2', format: FORMAT }, settingsFor(standIn));
  expect(error?.code).toBe('invalid_format');
  expect(error?.message).toContain('max_tokens');
  expect(chatBodies(standIn)).toHaveLength(1);
});

test('a schema that does not compile is answered without asking any model', async () => {
  const standIn = await standInFor();
  const outcome = await answerTo({ prompt: '2+2', format: { type: 'strng' } }, settingsFor(standIn));
  expect(outcome).toMatchObject({
    model: null,
    backend: null,
    answer: null,
    error: { code: 'invalid_schema' },
  });
  expect(standIn.requests).toEqual([]);
});

test('a server gone between the two tries is backend_error, for the first one spoke: no other backend begins again', async () => {
  const standIn = await standInFor();
  const server = createServer((request, response) => {
    if (request.url !== '/api/chat') return void response.end('{"models":[{"name":"llama3.2"}]}');
    // Listens no longer, and still answers what has arrived.
    server.close();
    const message = { role: 'assistant', content: 'no JSON' };
    response.end(`${JSON.stringify({ model: 'llama3.2', message, done: true, done_reason: 'stop' })}\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ollamaUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const task = { prompt: 'hi', model: 'llama3.2', format: 'json' as const };
  const settings = settingsFor(standIn, { ollamaUrl, retryWindowMs: 100, retryDelayMs: 5 });
  const { error } = await answerTo(task, settings);
  const gone = `ollama at ${ollamaUrl}: cannot be reached (ECONNREFUSED)`;
  expect(error).toEqual({ code: 'backend_error', message: `${gone}; then ${gone}` });
  expect(standIn.requests).toEqual([]);
});

test('an answer in a Markdown fence is stored without it', async () => {
  const standIn = await standInFor({
    behave: () => ({ answer: '```json\n{"result": 4, "unit": "pears"}\n```\n' }),
  });
  const outcome = await answerTo({ prompt: '2+2', format: FORMAT }, settingsFor(standIn));
  expect(outcome.answer).toBe('{"result": 4, "unit": "pears"}');
});

test('the JSON LM Studio puts into the reasoning, with empty content, is the answer', async () => {
  const standIn = await standInFor({ behave: () => ({ answerAsReasoning: true }) });
  const outcome = await answerTo(
    { prompt: '2+2', backend: 'lmstudio', format: FORMAT },
    settingsFor(standIn),
  );
  expect(outcome).toMatchObject({ answer: '{"result":4,"unit":"apples"}', error: null });
  expect(outcome).not.toHaveProperty('thinking');
});

test('reasoning without content and without a format stays an empty answer', async () => {
  const standIn = await standInFor({ behave: () => ({ answerAsReasoning: true, answer: '{"result":4}' }) });
  const { error } = await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settingsFor(standIn));
  expect(error?.code).toBe('empty_answer');
});

import { expect, test } from 'vitest';
import { promptOf } from '../../../../src/agent/backends/call-prompt.js';
import { inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import { MODEL, settingsFor, standInFor } from '../generate-fixture.js';
import { callsOf, chat, pass } from './pass-on.js';

const ollamaChat = (content: string, more: Record<string, unknown> = {}) => ({
  path: '/api/chat',
  body: { model: MODEL.ollama, messages: [{ role: 'user', content }], ...more },
});
const words = (count: number) => Array.from({ length: count }, (_, at) => `w${at}`).join(' ');
const contextsOf = (standIn: Parameters<typeof callsOf>[0]) =>
  callsOf(standIn).map(({ body }) => (body as { options: { num_ctx: number } }).options.num_ctx);

test("a call of Ollama's own API gets a context that holds it, and no prompt is cut", async () => {
  const standIn = await standInFor();
  const settings = settingsFor(standIn, { order: ['ollama'] });
  await pass(ollamaChat('2+2', { options: { temperature: 0 } }), settings);
  await pass(ollamaChat('2+2', { options: { num_predict: 20 } }), settings, { isHeard: false });
  await pass(ollamaChat(words(5000)), settings);
  await pass({ path: '/api/generate', body: { model: MODEL.ollama, prompt: words(5000) } }, settings);
  await pass(ollamaChat('2+2', { options: { num_ctx: 16_384 } }), settings);
  expect(contextsOf(standIn)).toEqual([8192, 8192, 16_384, 16_384, 16_384]);
  for (const { body } of callsOf(standIn)) expect(body).toMatchObject({ truncate: false, shift: false });
  expect(callsOf(standIn)[0]?.body).toMatchObject({ options: { temperature: 0 } });
});

test('a prompt that its own num_ctx does not hold is refused with the numbers, and what the server said is kept', async () => {
  const standIn = await standInFor();
  const call = ollamaChat(words(5000), { options: { num_ctx: 4096 } });
  const { outcome } = await pass(call, settingsFor(standIn, { order: ['ollama'] }));
  expect(outcome.error).toMatchObject({
    code: 'context_overflow',
    message: expect.stringMatching(/the num_ctx of the task/),
  });
});

test('a full answer that nobody hears is generated once more with room; one that is heard ends there', async () => {
  const standIn = await standInFor();
  const settings = settingsFor(standIn, { order: ['ollama'] });
  const full = { finishReason: 'length', usage: { promptTokens: 1, completionTokens: 4095 } };
  standIn.behave = inTurn(full, { answer: 'all of it' });
  const quiet = await pass(ollamaChat('2+2'), settings, { isHeard: false });
  expect(quiet.outcome).toMatchObject({ answer: 'all of it', finish_reason: 'stop' });
  expect(contextsOf(standIn)).toEqual([4096, 8192]);

  const other = await standInFor({
    behave: inTurn({ ...full, usage: { promptTokens: 1, completionTokens: 8191 } }),
  });
  const aloud = await pass(ollamaChat('2+2'), settingsFor(other, { order: ['ollama'] }));
  expect(aloud.outcome).toMatchObject({ answer: '4', finish_reason: 'length' });
  expect(contextsOf(other)).toEqual([8192]);
});

test("where Ollama's /v1 cut a prompt without a word, that is an error and no answer", async () => {
  const standIn = await standInFor();
  const call = chat(words(5000), { model: MODEL.ollama });
  standIn.behave = () => ({ usage: { promptTokens: 4096, completionTokens: 1 } });
  const { outcome } = await pass(call, settingsFor(standIn, { order: ['ollama'] }));
  expect(outcome).toMatchObject({ answer: null, error: { code: 'context_overflow' } });
});

test('without a model, embeddings are made by one that embeds, whatever the model of the agent is', async () => {
  const models = {
    ollama: [
      { name: MODEL.ollama, capabilities: ['completion'] },
      { name: 'nomic-embed-text:latest', capabilities: ['embedding'] },
    ],
  };
  const standIn = await standInFor({ models });
  const settings = settingsFor(standIn, { order: ['ollama'], model: MODEL.ollama });
  const embed = { path: '/api/embed', body: { input: ['one', 'two'] } };
  const { outcome } = await pass(embed, settings);
  expect(outcome).toMatchObject({ model: 'nomic-embed-text:latest', answer: null, error: null });
  expect(outcome.response?.body).toMatchObject({ embeddings: { length: 2 } });
  const none = await pass(embed, settingsFor(await standInFor(), { order: ['ollama'] }));
  expect(none.outcome.error).toMatchObject({
    code: 'no_model',
    message: expect.stringContaining('no model that can embed'),
  });
});

test('a path that no model server of the agent serves is refused, and the others are named', async () => {
  const standIn = await standInFor();
  const { outcome } = await pass(ollamaChat('2+2'), settingsFor(standIn, { order: ['lmstudio', 'openai'] }));
  expect(outcome.error).toMatchObject({
    code: 'request_refused',
    message: expect.stringContaining('/api/chat'),
  });
  expect(standIn.requests).toEqual([]);
});

test.each([
  [{ messages: [{ role: 'user', content: 'a' }], max_tokens: 5 }, ['a'], 0, { max_tokens: 5 }],
  [
    { system: 'be', messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'image' }] }] },
    ['be', 'a'],
    1,
    {},
  ],
  [{ instructions: 'be', input: 'a', max_output_tokens: 7 }, ['be', 'a'], 0, { max_tokens: 7 }],
  [
    { input: [{ role: 'user', content: [{ type: 'input_image' }, { type: 'input_text', text: 'a' }] }] },
    ['a'],
    1,
    {},
  ],
  [{ prompt: 'a', images: ['x', 'y'], options: { num_ctx: 9, num_predict: -1 } }, ['a'], 2, { num_ctx: 9 }],
  [
    {
      messages: [
        { role: 'user', content: 'a', images: ['x'] },
        { role: 'tool', content: 'b' },
      ],
    },
    ['a', 'b'],
    1,
    {},
  ],
])('what a model is to read of a call is found: %j', (body, texts, images, options) => {
  const prompt = promptOf({ body });
  expect(prompt.messages.map(({ content }) => content)).toEqual(texts);
  expect(prompt.images).toEqual({ length: images });
  expect(prompt.options).toEqual(options);
});

import { expect, test } from 'vitest';
import { BackendMemory } from '../../../src/agent/backends/backend-memory.js';
import { lookAhead } from '../../../src/agent/look-ahead.js';
import {
  answerTo,
  BACKENDS,
  CHAT_PATH,
  deadUrl,
  MODEL,
  settingsFor,
  standInFor,
} from './generate-fixture.js';

/** An agent's settings, and the paths that were asked since the last call. */
async function agentOf(order: readonly (typeof BACKENDS)[number][], models = {}) {
  const standIn = await standInFor({ models });
  const settings = settingsFor(standIn, { order, memory: new BackendMemory() });
  let read = 0;
  const asked = () => {
    const paths = standIn.requests.slice(read).map(({ path }) => path);
    read = standIn.requests.length;
    return paths;
  };
  return { standIn, settings, asked };
}

test.each(BACKENDS)(
  'what %s has is asked while a task is fetched, and the task sends its prompt at once',
  async (name) => {
    const { settings, asked } = await agentOf([name]);
    await lookAhead(settings);
    expect(asked().length).toBeGreaterThan(0);
    expect(await answerTo({ prompt: '2+2' }, settings)).toMatchObject({ answer: '4', model: MODEL[name] });
    expect(asked()).toEqual([CHAT_PATH[name]]);
  },
);

test.each(BACKENDS)('of %s nothing counts any more that was asked before a prompt', async (name) => {
  const { settings, asked } = await agentOf([name]);
  await lookAhead(settings);
  await lookAhead(settings);
  await answerTo({ prompt: '2+2' }, settings);
  asked();
  await answerTo({ prompt: '2+2' }, settings);
  expect(asked().length).toBeGreaterThan(1);
});

test('the model that was asked last is the one that is looked up', async () => {
  const { standIn, settings } = await agentOf(['ollama'], { ollama: ['qwen3:8b', 'llama3.2:latest'] });
  const lookedUp = () =>
    standIn.requests.filter(({ path }) => path === '/api/show').map(({ body }) => body as { model: string });
  await lookAhead(settings);
  expect(lookedUp().at(-1)?.model).toBe('qwen3:8b');
  await answerTo({ prompt: '2+2', model: 'llama3.2' }, settings);
  await lookAhead(settings);
  expect(lookedUp().at(-1)?.model).toBe('llama3.2');
});

test('a model that is gone by the next task is not found, whatever was asked a while ago', async () => {
  const { standIn, settings } = await agentOf(['ollama'], { ollama: ['qwen3:8b'] });
  await answerTo({ prompt: '2+2' }, settings);
  await lookAhead(settings);
  await answerTo({ prompt: '2+2' }, settings);
  standIn.models = { ...standIn.models, ollama: ['llama3.2:latest'] };
  expect(await answerTo({ prompt: '2+2', model: 'qwen3:8b' }, settings)).toMatchObject({
    error: { code: 'model_not_found' },
  });
});

test('a server that is away is no failure, and is asked again by the task', async () => {
  const { standIn, settings } = await agentOf(['ollama', 'lmstudio']);
  const away = { ...settings, ollamaUrl: await deadUrl() };
  await lookAhead(away);
  expect(await answerTo({ prompt: '2+2' }, away)).toMatchObject({ backend: 'lmstudio', answer: '4' });
  // With the same memory, as after the server was started.
  expect(await answerTo({ prompt: '2+2' }, { ...away, ollamaUrl: standIn.ollamaUrl })).toMatchObject({
    backend: 'ollama',
  });
});

test('a third party is asked nothing ahead', async () => {
  const { standIn, settings, asked } = await agentOf(['openai']);
  // No name of this machine's own, and nobody answers there.
  const elsewhere = { ...settings, allowCloud: true, openaiUrl: 'https://api.example.com/v1' };
  await lookAhead(elsewhere);
  expect(settings.memory?.foresight.isEmpty()).toBe(true);
  await lookAhead({ ...settings, openaiUrl: standIn.openaiUrl });
  expect(settings.memory?.foresight.isEmpty()).toBe(false);
  expect(asked().length).toBeGreaterThan(0);
});

test('settings without a memory ask nothing ahead', async () => {
  const { settings, asked } = await agentOf(['ollama']);
  await lookAhead({ ...settings, memory: undefined });
  expect(asked()).toEqual([]);
});

import { expect, test } from 'vitest';
import { BackendMemory } from '../../../../src/agent/backends/backend-memory.js';
import { lmstudioBackend } from '../../../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { readOffer } from '../../../../src/agent/backends/model-offer.js';
import { ollamaBackend } from '../../../../src/agent/backends/ollama/ollama-backend.js';
import { answerTo, deadUrl, settingsFor, standInFor } from '../generate-fixture.js';

const MODELS = [
  { name: 'llama3.2:latest', capabilities: ['completion', 'tools', 'thinking'], loadedContext: 4096 },
  { name: 'llava:latest', capabilities: ['completion', 'vision'] },
  { name: 'nomic-embed-text:latest', capabilities: ['embedding'] },
];
const signal = new AbortController().signal;

const start = (isOld: boolean) => standInFor({ models: { ollama: MODELS, lmstudio: MODELS }, isOld });

const said = (listed: readonly { name: string; can: readonly string[] }[]) =>
  Object.fromEntries(listed.map(({ name, can }) => [name, can]));

test('what Ollama says of a model is claimed, and nothing else', async () => {
  const standIn = await start(false);
  expect(said(await ollamaBackend(standIn.ollamaUrl).listModels(signal))).toEqual({
    'llama3.2:latest': ['chat', 'tools'],
    'llava:latest': ['chat', 'vision'],
    'nomic-embed-text:latest': ['embed'],
  });
});

test('an Ollama that does not say it in its list is asked once for each model, whatever it says', async () => {
  const standIn = await start(true);
  const memory = new BackendMemory();
  const list = () => ollamaBackend(standIn.ollamaUrl, { memory }).listModels(signal);
  const shows = () => standIn.requests.filter(({ path }) => path === '/api/show').length;
  const first = await list();
  expect(shows()).toBe(MODELS.length);
  expect(await list()).toEqual(first);
  expect(shows()).toBe(MODELS.length);
  // It says no abilities there either: that a model chats is believed, and not claimed.
  expect(said(first)).toMatchObject({ 'llama3.2:latest': [] });
});

test('a model of which the list of Ollama has not read the context is asked about, and not taken to chat', async () => {
  const made = { name: 'all-minilm:latest', capabilities: ['embedding'], isMadeHere: true };
  const standIn = await standInFor({ models: { ollama: [made, ...MODELS] } });
  const list = ollamaBackend(standIn.ollamaUrl).listModels(signal);
  const shows = () => standIn.requests.filter(({ path }) => path === '/api/show').length;
  expect((await list)[0]).toMatchObject({ name: 'all-minilm:latest', canChat: false, can: ['embed'] });
  expect(shows()).toBe(1);
  expect(await answerTo({ prompt: '2+2' }, settingsFor(standIn))).toMatchObject({
    ...{ answer: '4', model: 'llama3.2:latest' },
  });
});

test('what LM Studio says of a model is claimed, and nothing of one that says nothing', async () => {
  const standIn = await start(false);
  expect(said(await lmstudioBackend(standIn.lmstudioUrl).listModels(signal))).toMatchObject({
    'llama3.2:latest': ['chat'],
    'nomic-embed-text:latest': ['embed'],
  });
  const old = await start(true);
  expect(said(await lmstudioBackend(old.lmstudioUrl).listModels(signal))).toEqual(
    Object.fromEntries(MODELS.map(({ name }) => [name, []])),
  );
});

test('an offer has all models of those that answer, names those that do not, and tells what is in memory', async () => {
  const standIn = await start(false);
  const offer = await readOffer(settingsFor(standIn, { lmstudioUrl: await deadUrl() }), signal);
  expect(offer).toMatchObject({ backends: ['ollama'], silent: ['lmstudio'], loaded: ['llama3.2:latest'] });
  expect(offer.models.map(({ name, backend }) => [backend, name])).toEqual(
    MODELS.map(({ name }) => ['ollama', name]),
  );
  expect(offer.chatModels).toEqual(['llama3.2:latest', 'llava:latest']);
});

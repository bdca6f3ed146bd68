import { expect, test } from 'vitest';
import { BACKENDS } from '../../../src/agent/backends/backends.js';
import { lmstudioBackend } from '../../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../../../src/agent/backends/ollama/ollama-backend.js';
import { findModelServer } from '../../../src/demo/find-model-server.js';
import { deadUrl, standInFor } from '../agent/generate-fixture.js';

const signal = new AbortController().signal;

test('the demo takes the first model server that has a model', async () => {
  const standIn = await standInFor({ models: { lmstudio: ['text-embedding-x', 'qwen3'] } });
  const found = await findModelServer(signal, {}, [
    ollamaBackend(await deadUrl()),
    lmstudioBackend(standIn.lmstudioUrl),
  ]);
  expect(found.agentArgs).toEqual(['--backend', 'lmstudio', '--model', 'qwen3']);
  expect(found.description).toBe('model: qwen3, of LM Studio on this machine');
});

test('without one, a stand-in answers, and says so', async () => {
  const standIn = await standInFor({ models: { ollama: [] } });
  const found = await findModelServer(signal, {}, [ollamaBackend(standIn.ollamaUrl)]);
  expect(found.description).toMatch(
    /^model: none; no Ollama, .* or \/v1 server answered here, so a stand-in does/,
  );
  for (const { title } of BACKENDS) expect(found.description).toContain(title.replace(/^a /, ''));
  const [, , option, url = ''] = found.agentArgs;
  expect(option).toBe('--ollama-url');
  expect(await ollamaBackend(url).listModels(signal)).toMatchObject([{ name: 'llama3.2:latest' }]);
  await found.close();
});

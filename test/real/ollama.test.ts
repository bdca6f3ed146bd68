import { expect, test } from 'vitest';
import type { ListedModel } from '../../src/agent/backends/backend.js';
import { BackendMemory } from '../../src/agent/backends/backend-memory.js';
import { ollamaBackend } from '../../src/agent/backends/ollama/ollama-backend.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { generateAnswer } from '../../src/agent/generate/generate-answer.js';
import type { TaskJson } from '../../src/protocol/task.js';

/**
 * What the stand-in plays, of a real Ollama: REAL_OLLAMA_URL says where one listens that has a model which
 * chats, a small one best. Without it these tests are skipped, and say so.
 */
const url = process.env.REAL_OLLAMA_URL ?? '';
const real = test.skipIf(url === '');
const signal = new AbortController().signal;
const LONG = { timeout: 300_000 };

if (url === '') process.stderr.write('skipped: REAL_OLLAMA_URL does not say where a real Ollama listens\n');

async function listed(): Promise<ListedModel> {
  const model = bestModel(await ollamaBackend(url).listModels(signal));
  if (model === null) throw new Error(`the Ollama at ${url} has no model that chats`);
  return model;
}

function answerTo(task: TaskJson, maxContext: number, memory = new BackendMemory()) {
  const lines: string[] = [];
  const settings = {
    order: ['ollama'] as const,
    ollamaUrl: url,
    maxContext,
    memory,
    idleTimeoutMs: 280_000,
    totalTimeoutMs: 280_000,
    retryWindowMs: 0,
    log: (line: string) => lines.push(line),
  };
  const asked = { options: { max_tokens: 8, temperature: 0 }, ...task };
  return generateAnswer(asked, settings, signal, () => {}).then((outcome) => ({ ...outcome, lines }));
}

/** The context that the model has in memory, as the server says. */
async function loadedContext(model: string): Promise<number | undefined> {
  const said = (await (await fetch(`${url}/api/ps`)).json()) as {
    models: { name: string; context_length?: number }[];
  };
  return said.models.find(({ name }) => name === model)?.context_length;
}

real('a model that chats is found, asked, and in memory from then on', LONG, async () => {
  const { name } = await listed();
  expect(await answerTo({ prompt: 'Say: yes' }, 4096)).toMatchObject({ error: null, model: name });
  expect(await listed()).toMatchObject({ name, isLoaded: true });
});

real('a longer prompt gets a larger context, and a short one after it keeps that', LONG, async () => {
  const { name } = await listed();
  const memory = new BackendMemory();
  const long = await answerTo({ prompt: `${'lore '.repeat(5000)}Say: yes` }, 16_384, memory);
  expect(long).toMatchObject({ error: null });
  expect(long.usage?.prompt_tokens).toBeGreaterThan(4500);
  const context = await loadedContext(name);
  expect(context).toBeGreaterThanOrEqual(8192);
  expect(await answerTo({ prompt: 'Say: yes' }, 16_384, memory)).toMatchObject({ error: null });
  expect(await loadedContext(name)).toBe(context);
});

real(
  'a prompt with more tokens than was estimated is refused, never cut, and asked again',
  LONG,
  async () => {
    // Half a token a piece by the estimate, and one or two for any tokenizer.
    const dense = Array.from({ length: 5000 }, (_, index) => '~^#@|'[index % 5]).join(' ');
    const outcome = await answerTo({ prompt: `${dense} Say: yes` }, 16_384);
    expect(outcome.error).toBeNull();
    expect(outcome.usage?.prompt_tokens).toBeGreaterThan(4096);
  },
);

real('a prompt that cannot fit is context_overflow with the numbers', LONG, async () => {
  const dense = Array.from({ length: 40_000 }, (_, index) => '~^#@|'[index % 5]).join(' ');
  const { error } = await answerTo({ prompt: dense }, 4096);
  expect(error?.code).toBe('context_overflow');
  expect(error?.message).toMatch(/the prompt has (?:about )?\d+ tokens, and the context \d+, which is /);
});

real('a name of the cloud is refused before the server hears of it', LONG, async () => {
  const { error } = await answerTo({ prompt: 'a secret', model: 'gpt-oss:120b-cloud' }, 4096);
  expect(error?.code).toBe('cloud_model');
});

real('a model that is not there is told with what there is', LONG, async () => {
  const { name } = await listed();
  const { error } = await answerTo({ prompt: 'hi', model: 'no-such-model' }, 4096);
  expect(error).toMatchObject({ code: 'model_not_found', message: expect.stringContaining(name) });
});

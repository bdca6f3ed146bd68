import { expect, test } from 'vitest';
import { answerTo, BACKENDS, deadUrl, MODEL, settingsFor, standInFor } from '../generate-fixture.js';

const MODELS = {
  ollama: ['qwen3:8b', 'llama3.2:latest'],
  lmstudio: ['text-embedding-nomic', 'qwen/qwen3-8b', 'gemma-3'],
};

test('without a name the first model a backend lists is asked, embedding models left out', async () => {
  const standIn = await standInFor({ models: MODELS });
  expect((await answerTo({ prompt: '2+2', backend: 'ollama' }, settingsFor(standIn))).model).toBe('qwen3:8b');
  expect((await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settingsFor(standIn))).model).toBe(
    'qwen/qwen3-8b',
  );
});

test("a task's model is sent as it is, without asking for the list, and goes before the agent's", async () => {
  const standIn = await standInFor({ models: MODELS });
  const outcome = await answerTo(
    { prompt: '2+2', model: 'llama3.2' },
    settingsFor(standIn, { model: 'qwen3:8b' }),
  );
  expect(outcome).toMatchObject({ answer: '4', model: 'llama3.2' });
  expect(standIn.requests).toMatchObject([{ path: '/api/chat', body: { model: 'llama3.2' } }]);
});

test("the agent's model is sent to the first backend of its order", async () => {
  const standIn = await standInFor({ models: MODELS });
  const settings = settingsFor(standIn, { model: 'gemma-3', order: ['lmstudio', 'ollama'] });
  expect((await answerTo({ prompt: '2+2' }, settings)).model).toBe('gemma-3');
});

test("a fallback that lacks the agent's model answers with the first it lists", async () => {
  const standIn = await standInFor({ models: MODELS });
  const toLmstudio = settingsFor(standIn, { model: 'llama3.2', ollamaUrl: await deadUrl() });
  expect(await answerTo({ prompt: '2+2' }, toLmstudio)).toMatchObject({
    answer: '4',
    model: 'qwen/qwen3-8b',
  });
  const toOllama = settingsFor(standIn, {
    model: 'gemma-3',
    order: ['lmstudio', 'ollama'],
    lmstudioUrl: await deadUrl(),
  });
  expect(await answerTo({ prompt: '2+2' }, toOllama)).toMatchObject({ answer: '4', model: 'qwen3:8b' });
});

test("a fallback that has the agent's model, however it spells it, answers with that", async () => {
  const standIn = await standInFor({ models: MODELS });
  const toOllama = settingsFor(standIn, {
    model: 'llama3.2',
    order: ['lmstudio', 'ollama'],
    lmstudioUrl: await deadUrl(),
  });
  expect((await answerTo({ prompt: '2+2' }, toOllama)).model).toBe('llama3.2:latest');
});

test("a task's model is never replaced, on a fallback neither", async () => {
  const standIn = await standInFor({ models: MODELS });
  const { error } = await answerTo(
    { prompt: '2+2', model: 'llama3.2' },
    settingsFor(standIn, { ollamaUrl: await deadUrl() }),
  );
  expect(error?.code).toBe('model_not_found');
});

test.each(BACKENDS)('a model %s does not have is an error that lists those it has', async (backend) => {
  const standIn = await standInFor({ models: MODELS });
  for (const settings of [settingsFor(standIn), settingsFor(standIn, { model: 'other', order: [backend] })]) {
    const outcome = await answerTo({ prompt: '2+2', backend, model: 'nonesuch' }, settings);
    expect(outcome).toMatchObject({
      model: 'nonesuch',
      backend,
      answer: null,
      error: { code: 'model_not_found' },
    });
    expect(outcome.error?.message).toMatch(/nonesuch.* not found/);
    const listed = MODELS[backend].filter((model) => !model.startsWith('text-embedding-')).join(', ');
    expect(outcome.error?.message).toContain(`; installed: ${listed}`);
  }
});

test.each([
  ['ollama', 'ollama pull llama3.2'],
  ['lmstudio', 'load a model in LM Studio'],
] as const)('%s without any model is no_model, with what to do', async (backend, remedy) => {
  const standIn = await standInFor({ models: { ollama: [], lmstudio: ['text-embedding-nomic'] } });
  const { error } = await answerTo({ prompt: '2+2', backend }, settingsFor(standIn));
  expect(error?.code).toBe('no_model');
  expect(error?.message).toContain(`no model is installed; try: ${remedy}`);
});

test('LM Studio with no model loaded is no_model', async () => {
  const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'no-model-loaded' } }) });
  const { error } = await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settingsFor(standIn));
  expect(error?.code).toBe('no_model');
  expect(error?.message).toContain('try: load a model in LM Studio');
});

test('an answer from another model than the task named is wrong_model, naming both', async () => {
  const standIn = await standInFor({ behave: () => ({ model: 'gemma-3' }) });
  const outcome = await answerTo(
    { prompt: '2+2', backend: 'lmstudio', model: 'qwen3-8b' },
    settingsFor(standIn),
  );
  expect(outcome).toMatchObject({ answer: null, error: { code: 'wrong_model' } });
  expect(outcome.error?.message).toContain('qwen3-8b was asked, and gemma-3 answered');
});

test("LM Studio's own spelling of the model the task named is the right model", async () => {
  const standIn = await standInFor({ behave: () => ({ model: 'qwen/qwen3-8b@q4_k_m:2' }) });
  const outcome = await answerTo(
    { prompt: '2+2', backend: 'lmstudio', model: 'Qwen3-8B' },
    settingsFor(standIn),
  );
  expect(outcome).toMatchObject({ answer: '4', model: 'qwen/qwen3-8b@q4_k_m:2' });
});

test("an answer from another model than the agent's own choice counts, under the name of who answered", async () => {
  const standIn = await standInFor({ behave: () => ({ model: 'gemma-3' }) });
  const lines: string[] = [];
  const settings = settingsFor(standIn, { log: (line) => lines.push(line) });
  expect(await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settings)).toMatchObject({
    answer: '4',
    model: 'gemma-3',
  });
  expect(lines).toEqual([`lmstudio: ${MODEL.lmstudio} was asked, and gemma-3 answered`]);
});

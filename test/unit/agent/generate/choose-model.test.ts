import { expect, test } from 'vitest';
import {
  answerTo,
  BACKENDS,
  chatBodies,
  deadUrl,
  MODEL,
  settingsFor,
  standInFor,
} from '../generate-fixture.js';

const MODELS = {
  ollama: ['qwen3:8b', 'llama3.2:latest'],
  lmstudio: ['text-embedding-nomic', 'qwen/qwen3-8b', 'gemma-3'],
  openai: ['text-embedding-nomic', 'Qwen3-8B-Q4_K_M', 'gemma-3'],
};

test('without a name the first model a backend lists is asked, embedding models left out', async () => {
  const standIn = await standInFor({ models: MODELS });
  expect((await answerTo({ prompt: '2+2', backend: 'ollama' }, settingsFor(standIn))).model).toBe('qwen3:8b');
  expect((await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settingsFor(standIn))).model).toBe(
    'qwen/qwen3-8b',
  );
});

test("a task's model is sent as it is, and goes before the agent's", async () => {
  const standIn = await standInFor({ models: MODELS });
  const outcome = await answerTo(
    { prompt: '2+2', model: 'llama3.2' },
    settingsFor(standIn, { model: 'qwen3:8b' }),
  );
  expect(outcome).toMatchObject({ answer: '4', model: 'llama3.2' });
  expect(chatBodies(standIn)).toMatchObject([{ model: 'llama3.2' }]);
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
    expect(outcome.error?.message).toContain(`; installed: `);
    expect(outcome.error?.message).toContain(listed);
  }
});

test.each([
  ['ollama', 'ollama pull llama3.2'],
  ['lmstudio', 'load a model in LM Studio'],
  ['openai', 'start the server of --openai-url with a model'],
] as const)('%s without any model is no_model, with what to do', async (backend, remedy) => {
  const standIn = await standInFor({
    models: { ollama: [], lmstudio: ['text-embedding-nomic'], openai: ['text-embedding-nomic'] },
  });
  const { error } = await answerTo({ prompt: '2+2', backend }, settingsFor(standIn));
  expect(error?.code).toBe('no_model');
  expect(error?.message).toMatch(/: no model .*installed/);
  expect(error?.message).toContain(`; try: ${remedy}`);
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

/** Ollama lists what was changed last first, whatever it is. */
const EMBEDDER = { name: 'nomic-embed-text:latest', capabilities: ['embedding'] };
const READER = { name: 'text-embedding-nomic', capabilities: ['embedding'] };

test.each([false, true])(
  'the first model that can chat answers, however old the server (%s)',
  async (isOld) => {
    const models = { ollama: [EMBEDDER, 'llama3.2:latest', 'qwen3:8b'], lmstudio: [READER, 'gemma-3'] };
    const standIn = await standInFor({ models, isOld });
    for (const [backend, model] of [
      ['ollama', 'llama3.2:latest'],
      ['lmstudio', 'gemma-3'],
    ] as const) {
      const outcome = await answerTo({ prompt: '2+2', backend }, settingsFor(standIn));
      expect(outcome).toMatchObject({ answer: '4', model });
    }
  },
);

test('one in memory answers before one that has to be loaded first, but not an embedding model', async () => {
  const standIn = await standInFor({
    models: {
      ollama: [
        { ...EMBEDDER, loadedContext: 2048 },
        'llama3.2:latest',
        { name: 'qwen3:8b', loadedContext: 4096 },
      ],
      lmstudio: [{ ...READER, loadedContext: 2048 }, 'gemma-3', { name: 'qwen3-8b', loadedContext: 4096 }],
    },
  });
  expect((await answerTo({ prompt: '2+2', backend: 'ollama' }, settingsFor(standIn))).model).toBe('qwen3:8b');
  expect((await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settingsFor(standIn))).model).toBe(
    'qwen3-8b',
  );
});

test.each([false, true])(
  'a task that names an embedding model is told so, and what there is (old: %s)',
  async (isOld) => {
    const models = { ollama: [EMBEDDER, 'llama3.2:latest'], lmstudio: [READER, 'gemma-3'] };
    const standIn = await standInFor({ models, isOld });
    for (const [backend, model, other] of [
      ['ollama', 'nomic-embed-text', 'llama3.2:latest'],
      ['lmstudio', 'text-embedding-nomic', 'gemma-3'],
    ] as const) {
      const { error } = await answerTo({ prompt: '2+2', backend, model }, settingsFor(standIn));
      expect(error?.code).toBe('model_cannot_chat');
      expect(error?.message).toContain(`${model} cannot chat; it is made for: embedding`);
      expect(error?.message).toContain(other);
    }
    expect(chatBodies(standIn)).toEqual([]);
  },
);

test('where only embedding models are there, it is no_model, and names them', async () => {
  const standIn = await standInFor({ models: { ollama: [EMBEDDER] } });
  const { error } = await answerTo({ prompt: '2+2', backend: 'ollama' }, settingsFor(standIn));
  expect(error?.code).toBe('no_model');
  expect(error?.message).toContain('there is nomic-embed-text:latest (cannot chat)');
});

test.each([
  ['llama3.2', 'ollama'],
  ['registry.ollama.ai/library/llama3.2', 'ollama'],
  ['gemma-3', 'lmstudio'],
  ['lmstudio-community/Gemma-3', 'lmstudio'],
] as const)('a task that names %s is answered by %s, whichever is first', async (model, backend) => {
  for (const order of [BACKENDS, [...BACKENDS].reverse()]) {
    const standIn = await standInFor({ models: { ollama: ['llama3.2:latest'], lmstudio: ['gemma-3'] } });
    // The stand-in does not know that a publisher may stand in front.
    if (backend === 'lmstudio') standIn.behave = () => ({ model });
    const outcome = await answerTo({ prompt: '2+2', model }, settingsFor(standIn, { order }));
    expect(outcome.error?.message ?? outcome.backend).toBe(backend);
  }
});

test("the agent's model is found on the other backend too, and a name that is nowhere is replaced by none", async () => {
  for (const order of [BACKENDS, [...BACKENDS].reverse()]) {
    const standIn = await standInFor({ models: { ollama: ['llama3.2:latest'], lmstudio: ['gemma-3'] } });
    for (const [model, backend] of [
      ['llama3.2', 'ollama'],
      ['gemma-3', 'lmstudio'],
    ]) {
      const outcome = await answerTo({ prompt: '2+2' }, settingsFor(standIn, { order, model }));
      expect(outcome).toMatchObject({ answer: '4', backend, model });
    }
    const { error } = await answerTo({ prompt: '2+2' }, settingsFor(standIn, { order, model: 'nope' }));
    expect(error?.code).toBe('model_not_found');
    for (const one of ['installed: llama3.2:latest', 'installed: gemma-3'])
      expect(error?.message).toContain(one);
  }
});

test('an image that is none is invalid_task, and no model is asked', async () => {
  const standIn = await standInFor();
  const images = [Buffer.from('random bytes').toString('base64')];
  for (const backend of BACKENDS) {
    const { error } = await answerTo({ prompt: 'what is this?', images, backend }, settingsFor(standIn));
    expect(error).toEqual({ code: 'invalid_task', message: 'image 1 is no PNG, JPEG, GIF or WebP' });
  }
  expect(standIn.requests).toEqual([]);
});

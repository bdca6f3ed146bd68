import { expect, test } from 'vitest';
import type { GenerateSettings } from '../../../../src/agent/agent-options.js';
import { BackendMemory } from '../../../../src/agent/backends/backend-memory.js';
import { generateAnswer } from '../../../../src/agent/generate/generate-answer.js';
import type { Earlier } from '../../../../src/agent/queue/fit-conversation.js';
import type { StandIn, StandInOptions } from '../../../../src/demo/stand-in/start-stand-in.js';
import type { TaskJson } from '../../../../src/protocol/task.js';
import { answerTo, chatBodies, MODEL, settingsFor, standInFor } from '../generate-fixture.js';

/** A prompt of so many words: each is five characters, and the stand-in has a token for each. */
function words(count: number): string {
  return Array.from({ length: count - 1 }, () => 'lore')
    .concat('2+2')
    .join(' ');
}

/** An answer of so many words, none of them twice: no model that repeats itself. */
function speech(count: number): string {
  return Array.from({ length: count }, (_, index) => `word${index}`).join(' ');
}

/** As words, but each a token and a quarter by the estimate. */
const ESTIMATED = 1.25;

function ask(standIn: StandIn, task: Partial<TaskJson>, changes: Partial<GenerateSettings> = {}) {
  return answerTo({ backend: 'ollama', ...task } as TaskJson, settingsFor(standIn, changes));
}

function contextsOf(standIn: StandIn): unknown[] {
  return chatBodies(standIn).map((body) => (body as { options: { num_ctx: number } }).options.num_ctx);
}

async function withModel(model: object, options: StandInOptions = {}): Promise<StandIn> {
  return await standInFor({ models: { ollama: [{ name: MODEL.ollama, ...model }] }, ...options });
}

test('a prompt longer than the context of the server gets one that holds it, and the right answer', async () => {
  const standIn = await standInFor();
  const outcome = await ask(standIn, { prompt: words(20_000) });
  expect(outcome).toMatchObject({ answer: '4', usage: { prompt_tokens: 20_000 } });
  expect(contextsOf(standIn)).toEqual([32_768]);
  expect(chatBodies(standIn)).toMatchObject([{ truncate: false, shift: false }]);
});

test('equal requests ask for equal contexts, and a model is loaded once for all that fit', async () => {
  for (const isOld of [false, true]) {
    const standIn = await standInFor({ isOld });
    const memory = new BackendMemory();
    for (const count of [10, 10, 5000, 10, 10]) await ask(standIn, { prompt: words(count) }, { memory });
    expect(contextsOf(standIn)).toEqual([4096, 4096, 8192, 8192, 8192]);
    expect(standIn.models.ollama.loads.map(({ context }) => context)).toEqual([4096, 8192]);
  }
});

test('a model that somebody has loaded with more keeps that, and one that was dropped starts small again', async () => {
  const standIn = await withModel({ loadedContext: 65_536 });
  const memory = new BackendMemory();
  await ask(standIn, { prompt: '2+2' }, { memory });
  expect(standIn.models.ollama.loads).toEqual([]);
  standIn.models.ollama.unload(MODEL.ollama);
  await ask(standIn, { prompt: '2+2' }, { memory });
  expect(contextsOf(standIn)).toEqual([65_536, 4096]);
});

test("room for the answer counts: the task's max_tokens", async () => {
  const standIn = await standInFor();
  await ask(standIn, { prompt: '2+2', options: { max_tokens: 6000 } });
  expect(contextsOf(standIn)).toEqual([8192]);
});

test.each<[string, number, object, Partial<TaskJson>, Partial<GenerateSettings>, string]>([
  [
    '--max-context',
    6000,
    {},
    {},
    { maxContext: 4096 },
    'the prompt has about 7504 tokens, and the context 4096, which is --max-context of the agent; the model takes up to 131072',
  ],
  [
    'what the model takes',
    9500,
    { contextLength: 8192 },
    {},
    {},
    'the prompt has about 11879 tokens, and the context 8192, which is the most that this model takes',
  ],
  [
    'the num_ctx of the task',
    6000,
    {},
    { options: { num_ctx: 5000 } },
    {},
    'the prompt has about 7504 tokens, and the context 5000, which is the num_ctx of the task; the model takes up to 131072',
  ],
])('a prompt that cannot fit is context_overflow with the numbers: %s', async (...row) => {
  const [, count, model, task, changes, message] = row;
  const standIn = await withModel(model);
  const { error } = await ask(standIn, { prompt: words(count), ...task }, changes);
  expect(error?.code).toBe('context_overflow');
  expect(error?.message).toContain(message);
  // Nobody can read it, so the model is not loaded for it.
  expect(chatBodies(standIn)).toEqual([]);
});

test("the server's own count goes before the estimate, and its words are told", async () => {
  const standIn = await withModel({ contextLength: 4096 });
  const { error } = await ask(standIn, { prompt: words(4200) });
  expect(error?.code).toBe('context_overflow');
  expect(error?.message).toMatch(
    /: the prompt has 4200 tokens, and the context 4096, which is the most that this model takes; it says: HTTP 400: request \(4200 tokens\) exceeds the available context size \(4096 tokens\), try increasing it$/,
  );
});

test('a prompt that has more tokens than was estimated gets the step that the server asks for', async () => {
  const standIn = await standInFor();
  const lines: string[] = [];
  // A token for every dash: half of one by the estimate.
  const prompt = `${'- '.repeat(12_000)}2+2`;
  const outcome = await ask(standIn, { prompt }, { log: (line) => lines.push(line) });
  expect(outcome).toMatchObject({ answer: '4', usage: { prompt_tokens: 12_001 } });
  expect(contextsOf(standIn)).toEqual([8192, 16_384]);
  expect(lines).toEqual(['ollama: the prompt did not fit a context of 8192 tokens; once more with 16384']);
});

test('an answer that fills the context is generated once more with a larger one', async () => {
  const standIn = await standInFor({ behave: () => ({ answer: speech(6000) }) });
  const outcome = await ask(standIn, { prompt: '2+2' });
  expect(outcome).toMatchObject({ answer: speech(6000), finish_reason: 'stop' });
  expect(contextsOf(standIn)).toEqual([4096, 8192]);
});

test('an answer that fills the longest context is cut, and says so', async () => {
  const standIn = await standInFor({ behave: () => ({ answer: speech(9000) }) });
  for (const isOld of [false, true]) {
    const one = isOld ? await standInFor({ isOld, behave: () => ({ answer: speech(9000) }) }) : standIn;
    const outcome = await ask(one, { prompt: '2+2' }, { maxContext: 8192 });
    expect(outcome).toMatchObject({ error: null, finish_reason: 'length' });
    expect(contextsOf(one)).toEqual([4096, 8192]);
  }
});

test("an answer that ends at the task's own max_tokens is not generated again", async () => {
  const standIn = await standInFor({
    behave: () => ({ answer: words(20), finishReason: 'length' }),
  });
  await ask(standIn, { prompt: '2+2', options: { max_tokens: 20 } });
  expect(contextsOf(standIn)).toEqual([4096]);
});

test('an old server that would cut is not asked what may not fit, and one that cut is found out', async () => {
  const standIn = await withModel({ contextLength: 4096 }, { isOld: true });
  const estimated = await ask(standIn, { prompt: words(4000) });
  expect(estimated.error?.code).toBe('context_overflow');
  expect(estimated.error?.message).toContain(`about ${4000 * ESTIMATED + 4} tokens, and the context 4096`);
  expect(estimated.error?.message).toContain('this version would cut the prompt without a word');
  expect(chatBodies(standIn)).toEqual([]);
  // By the estimate this fits: half a token a word, and the server has one.
  const dense = await ask(standIn, { prompt: `${'- '.repeat(4500)}2+2` });
  expect(dense).toMatchObject({ answer: null, error: { code: 'context_overflow' } });
});

test.each([
  ['0.12.3', false],
  ['0.12.5', false],
  ['0.12.6', true],
  ['0.32.7', true],
  ['1.0.0', true],
  ['0.0.0', true],
])('Ollama %s refuses what does not fit, so it is asked: %s', async (version, isAsked) => {
  const standIn = await withModel({ contextLength: 4096 }, { version });
  const outcome = await ask(standIn, { prompt: words(4000) });
  expect(outcome.error?.code ?? null).toBe(isAsked ? null : 'context_overflow');
  expect(chatBodies(standIn)).toHaveLength(isAsked ? 1 : 0);
});

test('an old server that cut a prompt is asked again with a context that holds it', async () => {
  const standIn = await standInFor({ isOld: true });
  const outcome = await ask(standIn, { prompt: `${'- '.repeat(5200)}2+2` });
  expect(outcome).toMatchObject({ answer: '4', usage: { prompt_tokens: 5201 } });
  expect(contextsOf(standIn)).toEqual([4096, 8192]);
});

test('LM Studio: a prompt that its context cannot hold is context_overflow with the numbers', async () => {
  const models = { lmstudio: [{ name: MODEL.lmstudio, loadedContext: 4096, contextLength: 16_384 }] };
  const standIn = await standInFor({ models });
  const numbers =
    'and the context 4096, which is what LM Studio has loaded the model with; the model takes up to 16384';
  const long = await answerTo({ prompt: words(6000), backend: 'lmstudio' }, settingsFor(standIn));
  expect(long.error).toMatchObject({ code: 'context_overflow' });
  expect(long.error?.message).toContain(`the prompt has about 7504 tokens, ${numbers}`);
  expect(chatBodies(standIn)).toEqual([]);
  const close = await answerTo({ prompt: words(4200), backend: 'lmstudio' }, settingsFor(standIn));
  expect(close.error).toMatchObject({ code: 'context_overflow' });
  expect(close.error?.message).toContain(
    `the prompt has 4200 tokens, ${numbers}; it says: HTTP 400: Trying to`,
  );
});

test('LM Studio: a prompt that was cut without a word is context_overflow', async () => {
  for (const isOld of [false, true]) {
    const models = { lmstudio: [{ name: MODEL.lmstudio, loadedContext: 8192 }] };
    const usage = { promptTokens: 2000, completionTokens: 1 };
    const standIn = await standInFor({ models, isOld, behave: () => ({ usage }) });
    const { error } = await answerTo({ prompt: words(6000), backend: 'lmstudio' }, settingsFor(standIn));
    expect(error).toMatchObject({ code: 'context_overflow' });
  }
});

test('a short prompt with a count that is low is no prompt that was cut', async () => {
  const standIn = await standInFor({ behave: () => ({ usage: { promptTokens: 1, completionTokens: 1 } }) });
  for (const backend of ['ollama', 'lmstudio'] as const) {
    const outcome = await answerTo({ prompt: 'one two three four five', backend }, settingsFor(standIn));
    expect(outcome.error).toBeNull();
  }
});

/** A conversation of so many turns, each with a question of so many words. */
function turnsOf(count: number, question: string): Earlier {
  const turns = Array.from({ length: count }, () => ({ task: { prompt: question }, answer: 'A' }));
  return { turns, isLonger: false };
}

function reply(standIn: StandIn, earlier: Earlier, changes: Partial<GenerateSettings> = {}) {
  const settings = settingsFor(standIn, changes);
  const task: TaskJson = { backend: 'ollama', prompt: '2+2', reply_to: 'a'.repeat(40) };
  return generateAnswer(task, settings, new AbortController().signal, () => {}, earlier);
}

test('a conversation is fitted into the longest context that its model gets, not into the default one', async () => {
  const standIn = await standInFor();
  const earlier = turnsOf(10, words(1000));
  expect(await reply(standIn, earlier)).toMatchObject({ answer: '4', context: { messages: 20, cut: 0 } });
  expect(contextsOf(standIn)).toEqual([16_384]);
  const bounded = await reply(standIn, earlier, { maxContext: 4096 });
  expect(bounded).toMatchObject({ answer: '4', context: { messages: 4, cut: 16 } });
  const short = await withModel({ contextLength: 8192 });
  expect(await reply(short, earlier)).toMatchObject({ answer: '4', context: { messages: 8, cut: 12 } });
  expect(contextsOf(short)).toEqual([8192]);
});

test('LM Studio is given as much of a conversation as the model is loaded for', async () => {
  const model = { name: MODEL.lmstudio, loadedContext: 8192 };
  const standIn = await standInFor({ models: { lmstudio: [model] } });
  const settings = settingsFor(standIn, { order: ['lmstudio'] });
  const { signal } = new AbortController();
  const outcome = await generateAnswer(
    { prompt: '2+2' },
    settings,
    signal,
    () => {},
    turnsOf(10, words(1000)),
  );
  expect(outcome).toMatchObject({ answer: '4', context: { messages: 8, cut: 12 } });
});

test('where the server counts more than the estimate, less of the conversation is sent', async () => {
  const standIn = await withModel({ contextLength: 8192 });
  // A token for every dash: half of one by the estimate.
  const outcome = await reply(standIn, turnsOf(10, '- '.repeat(2000)));
  expect(outcome).toMatchObject({ answer: '4', context: { messages: 6, cut: 14 } });
  expect(outcome.usage?.prompt_tokens).toBeLessThan(8192);
});

test('a conversation of which nothing can be left out any more is context_overflow, and says what it had', async () => {
  const standIn = await withModel({ contextLength: 4096 });
  const task: TaskJson = { backend: 'ollama', prompt: words(5000) };
  const { signal } = new AbortController();
  const outcome = await generateAnswer(task, settingsFor(standIn), signal, () => {}, turnsOf(2, 'a'));
  expect(outcome).toMatchObject({ error: { code: 'context_overflow' }, context: { messages: 0, cut: 4 } });
});

import { expect, test } from 'vitest';
import type { GenerateSettings } from '../../../../src/agent/agent-options.js';
import type { GenerationSign } from '../../../../src/agent/backends/backend.js';
import { DEFAULT_BACKEND_ORDER } from '../../../../src/agent/backends/backends.js';
import { generateAnswer } from '../../../../src/agent/generate/generate-answer.js';
import { inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import type { StandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { BridgeError } from '../../../../src/protocol/bridge-error.js';
import type { TaskJson } from '../../../../src/protocol/task.js';
import {
  answerTo,
  BACKENDS,
  chatBodies,
  deadUrl,
  gate,
  MODEL,
  settingsFor,
  standInFor,
} from '../generate-fixture.js';

test.each(BACKENDS)('%s answers a prompt, with model, finish reason and usage', async (backend) => {
  const standIn = await standInFor({ behave: () => ({ usage: { promptTokens: 7, completionTokens: 2 } }) });
  expect(await answerTo({ prompt: 'What is 2+2?', backend }, settingsFor(standIn))).toEqual({
    model: MODEL[backend],
    backend,
    answer: '4',
    error: null,
    finish_reason: 'stop',
    usage: { prompt_tokens: 7, completion_tokens: 2 },
  });
});

test.each(BACKENDS)('%s hands over every piece of the answer as it comes, thinking too', async (backend) => {
  const standIn = await standInFor({ behave: () => ({ thinking: 'well, well', answer: 'one two three' }) });
  const signs: GenerationSign[] = [];
  const outcome = await generateAnswer(
    { prompt: 'count', backend },
    settingsFor(standIn),
    new AbortController().signal,
    (sign) => signs.push(sign),
  );
  expect(outcome).toMatchObject({ answer: 'one two three', thinking: 'well, well' });
  const thought = (thinking: string) => ({ type: 'piece', content: '', thinking });
  const said = (content: string) => ({ type: 'piece', content, thinking: '' });
  expect(signs.filter(({ type }) => type !== 'alive')).toEqual([
    { type: 'begins' },
    ...['well, ', 'well'].map(thought),
    ...['one ', 'two ', 'three'].map(said),
  ]);
});

test('whoever listens hears of each start from the beginning, inside a backend too', async () => {
  const starts = async (standIn: StandIn, task: TaskJson, changes: Partial<GenerateSettings> = {}) => {
    const signs: GenerationSign[] = [];
    const settings = settingsFor(standIn, changes);
    await generateAnswer(task, settings, new AbortController().signal, (sign) => signs.push(sign));
    const kinds = signs.map(({ type }) => type).filter((type) => type !== 'alive');
    return kinds.filter((type, at) => type !== kinds[at - 1]);
  };
  const words = Array.from({ length: 6000 }, (_, at) => `word${at}`).join(' ');
  const larger = await standInFor({ behave: () => ({ answer: words }) });
  const misfit = await standInFor({ behave: inTurn({ answer: 'no JSON' }, { answer: '{"a":1}' }) });
  const restarted = await standInFor({ behave: inTurn({ fault: { afterChunks: 1, kind: 'die' } }, {}) });
  const twice = ['begins', 'piece', 'begins', 'piece'];
  expect(await starts(larger, { prompt: 'a larger context', backend: 'ollama' })).toEqual(twice);
  expect(await starts(misfit, { prompt: 'JSON', format: 'json' })).toEqual(twice);
  expect(await starts(restarted, { prompt: '2+2' }, { retryWindowMs: 60_000 })).toEqual(twice);
});

test('a task for a backend that this agent does not know is an error, and asks no other', async () => {
  const standIn = await standInFor();
  const outcome = await answerTo({ prompt: '2+2', backend: 'llama-cpp2' }, settingsFor(standIn));
  expect(outcome).toEqual({
    ...{ model: null, backend: null, answer: null },
    error: {
      code: 'unknown_backend',
      message: `this agent knows no backend "llama-cpp2"; it has ${DEFAULT_BACKEND_ORDER.join(', ')}`,
    },
  });
  expect(standIn.requests).toEqual([]);
});

test('a conversation goes out whole, the system message first', async () => {
  const standIn = await standInFor();
  const messages = [
    { role: 'user' as const, content: 'hi' },
    { role: 'assistant' as const, content: 'hello' },
    { role: 'user' as const, content: '3*3' },
  ];
  for (const backend of BACKENDS) {
    const outcome = await answerTo({ system: 'be brief', messages, backend }, settingsFor(standIn));
    expect(outcome.answer).toBe('9');
  }
  const whole = [{ role: 'system', content: 'be brief' }, ...messages];
  expect(chatBodies(standIn)).toMatchObject(BACKENDS.map(() => ({ messages: whole })));
});

test('whatever a model server does wrong is an outcome with the model and the backend that were asked', async () => {
  const standIn = await standInFor({
    behave: () => ({
      refuse: { kind: 'http', status: 500, body: '{"error":"llama runner process has terminated"}' },
    }),
  });
  expect(await answerTo({ prompt: 'hi', model: 'llama3.2' }, settingsFor(standIn))).toEqual({
    model: 'llama3.2',
    backend: 'ollama',
    answer: null,
    error: {
      code: 'backend_error',
      message: `ollama at ${standIn.ollamaUrl}: HTTP 500: llama runner process has terminated`,
    },
  });
});

test('an error message is one line without control characters and at most 1,000 characters long', async () => {
  const body = JSON.stringify({ error: `\u001b[31mred\nline ${'x'.repeat(5000)}` });
  const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'http', status: 503, body } }) });
  for (const backend of BACKENDS) {
    const { error } = await answerTo({ prompt: 'hi', backend }, settingsFor(standIn));
    expect(error?.message).toContain('HTTP 503: [31mred line xxx');
    expect(error?.message).toMatch(/^[\u0020-\u007e]*…$/);
    expect(error?.message).toHaveLength(1000);
  }
});

test('an address in the settings that is none is thrown as wrong use', async () => {
  const standIn = await standInFor();
  const failure = answerTo({ prompt: 'hi' }, settingsFor(standIn, { ollamaUrl: 'ftp://x' }));
  await expect(failure).rejects.toThrow(BridgeError);
  await expect(failure).rejects.toMatchObject({ code: 'usage' });
});

test.each(BACKENDS)(
  'an abort before the first token closes the request at %s and throws its reason',
  async (backend) => {
    const standIn = await standInFor({ behave: () => ({ firstTokenAfter: new Promise(() => {}) }) });
    const controller = new AbortController();
    const arrived = standIn.nextRequest();
    const task = { prompt: 'hi', backend, model: MODEL[backend] };
    const answer = generateAnswer(task, settingsFor(standIn), controller.signal, () => {});
    const request = await arrived;
    const reason = new Error('stop now');
    controller.abort(reason);
    await expect(answer).rejects.toBe(reason);
    expect(await request.ended).toBe('lost');
  },
);

test.each(BACKENDS)(
  'an abort in the middle of the stream closes the request at %s and throws its reason',
  async (backend) => {
    const standIn = await standInFor({
      behave: () => ({ answer: 'one two three', pause: { afterChunks: 1, until: new Promise(() => {}) } }),
    });
    const controller = new AbortController();
    const arrived = standIn.nextRequest();
    const firstToken = gate();
    const task = { prompt: 'hi', backend, model: MODEL[backend] };
    const answer = generateAnswer(task, settingsFor(standIn), controller.signal, (sign) => {
      if (sign.type === 'piece') firstToken.open();
    });
    await firstToken.opened;
    controller.abort('a reason that is no error');
    await expect(answer).rejects.toBe('a reason that is no error');
    expect(await (await arrived).ended).toBe('lost');
  },
);

test('an aborted signal throws its reason before anything is sent', async () => {
  const standIn = await standInFor();
  const signal = AbortSignal.abort(new Error('too late'));
  await expect(generateAnswer({ prompt: 'hi' }, settingsFor(standIn), signal, () => {})).rejects.toThrow(
    'too late',
  );
  expect(standIn.requests).toEqual([]);
});

test('an abort while no server can be reached ends the waiting', async () => {
  const standIn = await standInFor();
  const controller = new AbortController();
  const url = await deadUrl();
  const log = () => controller.abort(new Error('stop now'));
  const settings = settingsFor(standIn, {
    ollamaUrl: url,
    lmstudioUrl: url,
    retryWindowMs: 600_000,
    retryDelayMs: 60_000,
    log,
  });
  await expect(generateAnswer({ prompt: 'hi' }, settings, controller.signal, () => {})).rejects.toThrow(
    'stop now',
  );
});

test.each(BACKENDS)(
  'silence before the first token of %s ends at the idle deadline, and the request with it',
  async (backend) => {
    const standIn = await standInFor({ behave: () => ({ firstTokenAfter: new Promise(() => {}) }) });
    const arrived = standIn.nextRequest();
    const settings = settingsFor(standIn, { idleTimeoutMs: 2000 });
    const outcome = await answerTo({ prompt: 'hi', backend, model: MODEL[backend] }, settings);
    expect(outcome.error).toEqual({ code: 'timeout', message: 'no token for 2 s (idle deadline)' });
    expect(await (await arrived).ended).toBe('lost');
  },
);

test.each(BACKENDS)(
  'silence in the middle of the stream of %s ends at the idle deadline',
  async (backend) => {
    const standIn = await standInFor({
      behave: () => ({ answer: 'one two three', pause: { afterChunks: 2, until: new Promise(() => {}) } }),
    });
    const settings = settingsFor(standIn, { idleTimeoutMs: 80 });
    // Its model is named: a list of models may take that long on a slow machine.
    const outcome = await answerTo({ prompt: 'hi', model: MODEL[backend], backend }, settings);
    expect(outcome.error?.code).toBe('timeout');
    expect(outcome).toMatchObject({ model: MODEL[backend], backend, answer: null });
  },
);

test('a model that is slower in all than the idle deadline, but never silent for so long, gets to its end', async () => {
  const first = gate();
  const second = gate();
  const standIn = await standInFor({
    behave: () => ({
      answer: 'one two',
      firstTokenAfter: first.opened,
      pause: { afterChunks: 1, until: second.opened },
    }),
  });
  const arrived = standIn.nextRequest();
  const task = { prompt: 'hi', model: MODEL.ollama };
  const settings = settingsFor(standIn, { idleTimeoutMs: 4000 });
  const answer = generateAnswer(task, settings, new AbortController().signal, () =>
    setTimeout(second.open, 2200),
  );
  await arrived;
  setTimeout(first.open, 2200);
  expect((await answer).answer).toBe('one two');
});

test('the total deadline ends a model that keeps talking', async () => {
  const standIn = await standInFor({
    behave: () => ({ answer: 'one two', pause: { afterChunks: 1, until: new Promise(() => {}) } }),
  });
  const { error } = await answerTo({ prompt: 'hi' }, settingsFor(standIn, { totalTimeoutMs: 80 }));
  expect(error).toEqual({ code: 'timeout', message: 'no complete answer within 80 ms (total deadline)' });
});

test("a task's own timeout_s is the total deadline, shorter or longer than the agent's", async () => {
  const standIn = await standInFor({ behave: () => ({ firstTokenAfter: new Promise(() => {}) }) });
  const shorter = await answerTo({ prompt: 'hi', timeout_s: 0.09 }, settingsFor(standIn));
  expect(shorter.error?.message).toBe('no complete answer within 90 ms (total deadline)');
  const first = gate();
  standIn.behave = () => ({ firstTokenAfter: first.opened });
  const arrived = standIn.nextRequest();
  const settings = settingsFor(standIn, { totalTimeoutMs: 1 });
  const longer = answerTo({ prompt: '2+2', model: MODEL.ollama, timeout_s: 30 }, settings);
  await arrived;
  first.open();
  expect((await longer).answer).toBe('4');
});

test.each(BACKENDS)(
  'a model of %s that runs on past the limit is stopped and its answer refused',
  async (backend) => {
    const standIn = await standInFor({
      behave: () => ({
        answer: 'word '.repeat(50),
        pause: { afterChunks: 30, until: new Promise(() => {}) },
      }),
    });
    const outcome = await answerTo({ prompt: 'hi', backend }, settingsFor(standIn, { maxAnswerBytes: 100 }));
    expect(outcome.error?.code).toBe('answer_too_large');
    expect(outcome.error?.message).toContain('more than 100 bytes');
  },
);

test.each(BACKENDS)('%s passes on that an answer was cut off at its length', async (backend) => {
  const standIn = await standInFor({ behave: inTurn({ answer: 'half an', finishReason: 'length' }) });
  const outcome = await answerTo({ prompt: 'hi', backend }, settingsFor(standIn));
  expect(outcome).toMatchObject({ answer: 'half an', finish_reason: 'length' });
});

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { composeAnswer } from '../../../../src/agent/compose-answer.js';
import { openAssembler } from '../../../../src/agent/requests/assemble/open-assembler.js';
import { readAnswer, writeAnswer } from '../../../../src/protocol/answer.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { deadUrl, gate, MODEL, settingsFor, standInFor } from '../generate-fixture.js';
import { callsOf, chat, pass } from './pass-on.js';

const bodyOf = (outcome: { response?: { body: unknown } | undefined }) =>
  outcome.response?.body as Record<string, unknown> | undefined;

test('a call comes back as the body that comes without a stream, and each event is heard', async () => {
  const standIn = await standInFor();
  const { outcome, events } = await pass(chat('2+2'), settingsFor(standIn, { order: ['lmstudio'] }));
  expect(outcome).toMatchObject({
    model: MODEL.lmstudio,
    backend: 'lmstudio',
    answer: '4',
    error: null,
    response: { status: 200, body: { choices: [{ message: { content: '4' }, finish_reason: 'stop' }] } },
    finish_reason: 'stop',
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  });
  expect(events.length).toBeGreaterThan(2);
  expect(events.every((event) => event.startsWith('data: ') && !event.endsWith('\n'))).toBe(true);
  expect(events.at(-1)).toBe('data: [DONE]');
});

test('the server is asked with a stream that counts tokens, whatever the caller wanted', async () => {
  const standIn = await standInFor();
  const settings = settingsFor(standIn, { order: ['lmstudio'] });
  await pass(chat('2+2', { stream: false, temperature: 0.5 }), settings);
  expect(callsOf(standIn).map(({ body }) => body)).toEqual([
    {
      ...{ model: MODEL.lmstudio, messages: [{ role: 'user', content: '2+2' }], temperature: 0.5 },
      ...{ stream: true, stream_options: { include_usage: true } },
    },
  ]);
});

test('without a model the agent chooses one that chats', async () => {
  const standIn = await standInFor({
    models: { lmstudio: ['text-embedding-nomic', 'chatty'] },
  });
  const settings = settingsFor(standIn, { order: ['lmstudio'] });
  const { outcome } = await pass(
    { path: '/v1/chat/completions', body: { messages: [{ role: 'user', content: '2+2' }] } },
    settings,
  );
  expect(outcome).toMatchObject({ model: 'chatty', answer: '4' });
});

test('a model that the server does not list never reaches it, also where there is no other server', async () => {
  const standIn = await standInFor();
  for (const order of [['lmstudio'], ['openai'], ['lmstudio', 'openai']] as const) {
    const { outcome } = await pass(chat('2+2', { model: 'nobody' }), settingsFor(standIn, { order }));
    expect(outcome).toMatchObject({ error: { code: 'model_not_found' }, answer: null });
    expect(outcome).not.toHaveProperty('response');
  }
  expect(callsOf(standIn)).toEqual([]);
});

test('a cloud model is asked only where the agent allows it', async () => {
  const standIn = await standInFor();
  const call = chat('2+2', { model: 'gpt-oss:120b-cloud' });
  const { outcome } = await pass(call, settingsFor(standIn, { order: ['lmstudio'] }));
  expect(outcome.error?.code).toBe('cloud_model');
  expect(callsOf(standIn)).toEqual([]);
});

test('what a server refuses is kept with its status, and no other server is asked', async () => {
  const standIn = await standInFor();
  const body = { error: { message: "'top_k' must be a number", type: 'invalid_request_error' } };
  standIn.behave = () => ({ refuse: { kind: 'http', status: 422, body: JSON.stringify(body) } });
  const settings = settingsFor(standIn, { order: ['openai', 'lmstudio'] });
  const { outcome } = await pass(chat('2+2', { model: MODEL.openai }), settings);
  expect(outcome).toMatchObject({
    ...{ answer: null, model: MODEL.openai, backend: 'openai' },
    response: { status: 422, body },
    error: { code: 'backend_refused', message: expect.stringContaining("'top_k' must be a number") },
  });
  expect(callsOf(standIn)).toHaveLength(1);
});

/** Whether a bridge takes the answer that this becomes, and the response is in it. */
function isTaken(outcome: Parameters<typeof composeAnswer>[1]): boolean {
  const frame = { taskId: 'a'.repeat(40), hash: 'b'.repeat(64), task: null, agent: 'home-pc' };
  const answer = composeAnswer({ ...frame, latencyMs: 1, nowMs: 0, maxAnswerBytes: 1_000_000 }, outcome);
  const read = readAnswer(writeAnswer(answer));
  return read.ok && read.value.response !== undefined;
}

test('an answer is one that a bridge takes, however deep the model server nests it', async () => {
  const deep = `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`;
  const assembler = openAssembler('/v1/chat/completions');
  assembler.take(
    `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"more":${deep}}]},"finish_reason":"stop"}]}`,
  );
  const chat = openAssembler('/api/chat');
  chat.take(`{"message":{"tool_calls":[{"function":{"arguments":${deep}}}]},"done":true,"more":${deep}}`);
  for (const body of [assembler.body(), chat.body()]) {
    const response = { status: 200, body };
    expect(isTaken({ model: 'a', backend: 'openai', answer: null, error: null, response })).toBe(true);
  }
});

test('what a refusal must not bring into an answer is left out of it', async () => {
  const standIn = await standInFor();
  const deep = `${'['.repeat(100)}${']'.repeat(100)}`;
  const body = `{"error":"no","__proto__":{"a":1},"n":1e999,"deep":${deep}}`;
  standIn.behave = () => ({ refuse: { kind: 'http', status: 400, body } });
  const { outcome } = await pass(chat('2+2'), settingsFor(standIn, { order: ['lmstudio'] }));
  const kept = JSON.stringify(bodyOf(outcome));
  expect(kept).toMatch(/^\{"error":"no","n":null,"deep":\[{40,50}null\]{40,50}\}$/);
  expect(isTaken(outcome)).toBe(true);
  standIn.behave = () => ({ refuse: { kind: 'http', status: 400, body: 'no, <b>never</b>' } });
  const words = await pass(chat('2+2'), settingsFor(standIn, { order: ['lmstudio'] }));
  expect(words.outcome.response).toEqual({ status: 400, body: 'no, <b>never</b>' });
});

test.each([401, 500])('HTTP %i is no answer to the caller, and nothing of it is kept', async (status) => {
  const standIn = await standInFor();
  standIn.behave = () => ({ refuse: { kind: 'http', status, body: '{"error": "no"}' } });
  const { outcome } = await pass(chat('2+2'), settingsFor(standIn, { order: ['lmstudio'] }));
  expect(outcome).not.toHaveProperty('response');
  expect(outcome.error?.code).toBe(status === 401 ? 'backend_unauthorized' : 'backend_error');
});

test('a server that is away, or does not know the path, is passed by', async () => {
  const standIn = await standInFor();
  const settings = settingsFor(standIn, { order: ['openai', 'lmstudio'] });
  const noPath = { kind: 'http', status: 404, body: '404 page not found' } as const;
  standIn.behave = ({ wire }) => (wire === 'openai' ? { refuse: noPath } : {});
  const call = chat('2+2');
  const { model: _model, ...body } = call.body;
  for (const openaiUrl of [await deadUrl(), standIn.openaiUrl]) {
    const { outcome } = await pass({ ...call, body }, { ...settings, openaiUrl });
    expect(outcome).toMatchObject({ answer: '4', backend: 'lmstudio' });
    expect(outcome).not.toHaveProperty('attempts');
  }
});

test('a stream that breaks off begins again, and says so before it says anything else', async () => {
  const standIn = await standInFor();
  let calls = 0;
  standIn.behave = () =>
    ++calls === 1
      ? { answer: 'one two three', fault: { afterChunks: 1, kind: 'die' } }
      : { answer: 'four five' };
  const settings = settingsFor(standIn, { order: ['lmstudio'], retryWindowMs: 60_000, retryDelayMs: 1 });
  const { outcome, signs } = await pass(chat('hi'), settings);
  expect(outcome).toMatchObject({ answer: 'four five', error: null, attempts: 2 });
  const text = signs.map((sign) =>
    sign.type === 'begins' ? '|' : sign.type === 'piece' ? sign.content : '',
  );
  expect(text.join('')).toBe('|one |four five');
});

test('a stream that breaks off and is not begun again is an error that names it, with no half answer', async () => {
  const standIn = await standInFor();
  standIn.behave = () => ({ answer: 'one two three', fault: { afterChunks: 1, kind: 'error' } });
  const { outcome } = await pass(chat('hi'), settingsFor(standIn, { order: ['lmstudio'] }));
  expect(outcome).toMatchObject({ answer: null, backend: 'lmstudio', error: { code: 'backend_error' } });
  expect(outcome).not.toHaveProperty('response');
});

test('an answer that is too large, a silence and a cancel each end the call', async () => {
  const standIn = await standInFor();
  standIn.behave = () => ({ answer: 'x'.repeat(50), pieceChars: 5 });
  const settings = settingsFor(standIn, { order: ['lmstudio'] });
  const large = await pass(chat('hi'), { ...settings, maxAnswerBytes: 20 });
  expect(large.outcome.error?.code).toBe('answer_too_large');
  standIn.behave = () => ({ answer: 'a b c', pause: { afterChunks: 1, until: new Promise(() => {}) } });
  const silent = await pass(chat('hi'), { ...settings, idleTimeoutMs: 50 });
  expect(silent.outcome.error).toMatchObject({ code: 'timeout', message: expect.stringContaining('idle') });
  const controller = new AbortController();
  const cancelled = pass(chat('hi'), settings, {
    signal: controller.signal,
    onSign: ({ type }) => type === 'event' && controller.abort(new Error('cancelled')),
  });
  await expect(cancelled).rejects.toThrow('cancelled');
});

test('the server sees at once that a call was cancelled', async () => {
  const standIn = await standInFor();
  const gone = gate();
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.setHeader('content-type', 'application/json').end('{"data":[{"id":"one"}]}');
      return;
    }
    response.on('close', gone.open);
    response.setHeader('content-type', 'text/event-stream');
    response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
  }).listen(0, '127.0.0.1');
  onCleanup(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const controller = new AbortController();
  const openaiUrl = `http://127.0.0.1:${port}/v1`;
  const cancelled = pass(
    chat('hi', { model: 'one' }),
    settingsFor(standIn, { order: ['openai'], openaiUrl }),
    {
      signal: controller.signal,
      onSign: ({ type }) => type === 'event' && controller.abort(new Error('cancelled')),
    },
  );
  await expect(cancelled).rejects.toThrow('cancelled');
  await gone.opened;
});

test('a model that repeats itself without end is stopped', async () => {
  const standIn = await standInFor();
  standIn.behave = () => ({ answer: 'so ', endless: { kind: 'answer', text: 'and on ' } });
  const { outcome, events } = await pass(chat('hi'), settingsFor(standIn, { order: ['lmstudio'] }));
  expect(outcome).toMatchObject({ error: null, finish_reason: 'repetition', response: { status: 200 } });
  // For the caller it is one that was cut at its limit, streamed or not.
  expect(bodyOf(outcome)).toMatchObject({
    choices: [{ message: { content: expect.stringContaining('and on and on') }, finish_reason: 'length' }],
  });
  expect(events.slice(-2)).toEqual([
    expect.stringContaining('"delta":{},"finish_reason":"length"'),
    'data: [DONE]',
  ]);
});

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import type { GivenCall } from '../../../src/gateway/given-call.js';
import type { CallEvent, LiveCall } from '../../../src/gateway/live-call.js';
import { dataIn } from '../../../src/gateway/polish.js';
import { writeAnswer } from '../../../src/gateway/write-answer.js';
import type { Answer } from '../../../src/protocol/answer.js';

const TASK = 'a1'.repeat(20);
const FROM = 'b2'.repeat(20);

const CHAT_BODY = {
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1764194400, model: 'llama3.2' },
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'четыре 🦙',
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":2}' } },
          { id: 'c2', type: 'function', function: { name: 'mul', arguments: '{}' } },
        ],
      },
      finish_reason: 'tool_calls',
    },
  ],
  usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
};

const MESSAGE_BODY = {
  ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'llama3.2' },
  content: [
    { type: 'thinking', thinking: 'hm', signature: 's' },
    { type: 'text', text: 'четыре' },
    { type: 'tool_use', id: 't1', name: 'add', input: { a: [2, 2] } },
  ],
  ...{ stop_reason: 'tool_use', stop_sequence: null },
  usage: { input_tokens: 3, output_tokens: 4 },
};

const RESPONSE_BODY = {
  ...{ id: 'resp_of_the_server', object: 'response', created_at: 1764194400, status: 'completed' },
  ...{ model: 'llama3.2', error: null, incomplete_details: null, parallel_tool_calls: true, tools: [] },
  output: [
    {
      ...{ type: 'message', id: 'msg_1', status: 'completed', role: 'assistant' },
      content: [{ type: 'output_text', text: 'четыре', annotations: [] }],
    },
    {
      ...{ type: 'function_call', id: 'fc_1', call_id: 'c1', status: 'completed' },
      ...{ name: 'add', arguments: '{"a":2}' },
    },
  ],
  usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
};

/** A call whose events are these, as they are pulled; `left`: how it was left. */
function liveCall(...events: readonly (CallEvent | Promise<CallEvent>)[]) {
  const left: boolean[] = [];
  let wake = () => {};
  const gone = new Promise<void>((resolve) => {
    wake = resolve;
  });
  async function* come(): AsyncGenerator<CallEvent> {
    for (const event of events) {
      const next = await Promise.race([event, gone]);
      if (next === undefined) return;
      yield next;
    }
  }
  const live: LiveCall = {
    ...{ task: TASK, isJoined: false, events: come() },
    leave: ({ delivered } = { delivered: false }) => {
      left.push(delivered);
      wake();
    },
  };
  return { live, left };
}

function given(path: string, body: Record<string, unknown>, more: Partial<GivenCall> = {}): GivenCall {
  return { path, body, wantsStream: true, left: new AbortController().signal, ...more };
}

function answered(more: Partial<Answer>, isWhole = true): CallEvent {
  const answer: Answer = {
    ...{ task_hash: 'a'.repeat(64), task_commit: TASK, model: 'llama3.2', backend: 'ollama' },
    ...{ answer: null, error: null, created_at: '2026-11-22T17:02:27.123Z', latency_ms: 1, agent: 'home-pc' },
    ...more,
  };
  return { answer, from: FROM, isWhole };
}

const good = (body: unknown, isWhole = true) => answered({ response: { status: 200, body } }, isWhole);
const bad = (code: string, more: Partial<Answer> = {}) =>
  answered({ error: { code, message: 'it failed' }, ...more });

const CHAT = '/v1/chat/completions';
const data = (value: unknown) => `data: ${JSON.stringify(value)}`;

describe('whole answers', () => {
  test('the body is the one of the record, with the task and what was left out in its headers', async () => {
    const { live, left } = liveCall(
      { event: 'data: {}' },
      answered({ response: { status: 200, body: CHAT_BODY }, dropped: ['user', 'schlüssel'] }),
    );
    const response = await writeAnswer(live, given(CHAT, {}, { wantsStream: false }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-llm-bridge-task')).toBe(TASK);
    expect(response.headers.get('x-llm-bridge-dropped')).toBe('user, schl?ssel');
    expect(await response.json()).toEqual(CHAT_BODY);
    expect(left[0]).toBe(true);
  });

  test('a response has the id of its task', async () => {
    const { live } = liveCall(good(RESPONSE_BODY));
    const response = await writeAnswer(live, given('/v1/responses', {}, { wantsStream: false }));
    expect(await response.json()).toEqual({ ...RESPONSE_BODY, id: `resp_${TASK}` });
  });

  test('embeddings are numbers or base64, whichever was asked for and whichever came', async () => {
    const numbers = [0.5, -1.25, 3];
    const base64 = 'AAAAPwAAoL8AAEBA';
    for (const came of [numbers, base64]) {
      for (const [encoding_format, expected] of [
        ['base64', base64],
        ['float', numbers],
        [undefined, numbers],
      ]) {
        const { live } = liveCall(good({ object: 'list', data: [{ index: 0, embedding: came }] }));
        const call = given('/v1/embeddings', { encoding_format }, { wantsStream: false });
        const { data: items } = (await (await writeAnswer(live, call)).json()) as { data: unknown[] };
        expect(items).toEqual([{ index: 0, embedding: expected }]);
      }
    }
  });

  test("the model server's own refusal keeps its status and its body, and is not tried again", async () => {
    for (const wantsStream of [false, true]) {
      const body = { error: { message: 'no such field', code: 'x' } };
      const { live, left } = liveCall(bad('backend_refused', { response: { status: 422, body } }));
      const response = await writeAnswer(live, given(CHAT, {}, { wantsStream }));
      expect(response.status).toBe(422);
      expect(response.headers.get('x-should-retry')).toBe('false');
      expect(await response.json()).toEqual(body);
      expect(left[0]).toBe(true);
    }
  });

  test('an error of the record is thrown with its task, and has been given', async () => {
    for (const wantsStream of [false, true]) {
      const { live, left } = liveCall(bad('timeout'));
      await expect(writeAnswer(live, given(CHAT, {}, { wantsStream }))).rejects.toMatchObject({
        ...{ status: 504, code: 'timeout', task: TASK },
      });
      expect(left[0]).toBe(true);
    }
  });

  test('what is not answered in time is 503, and the same call finds it again', async () => {
    for (const path of [CHAT, '/api/chat', '/v1/messages']) {
      const { live, left } = liveCall({ unanswered: 'wait' });
      await expect(writeAnswer(live, given(path, {}))).rejects.toMatchObject({
        ...{ status: 503, retryAfterS: 1, task: TASK },
      });
      expect(left).not.toContain(true);
    }
  });
});

describe('streams', () => {
  test('events go out as they came, and end as they ended', async () => {
    const events = [
      data({ choices: [{ delta: { content: 'vier' } }], usage: null }),
      data({ choices: [{ delta: {}, finish_reason: 'stop' }] }),
      data({ choices: [], usage: { prompt_tokens: 1 } }),
      'data: [DONE]',
    ];
    const said = async (body: Record<string, unknown>) => {
      const { live } = liveCall(...events.map((event) => ({ event })), good({}));
      const response = await writeAnswer(live, given(CHAT, body));
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      return await response.text();
    };
    const asked = await said({ stream_options: { include_usage: true } });
    expect(asked).toBe(events.map((event) => `${event}\n\n`).join(''));
    const [one, two, , done] = events;
    expect(await said({})).toBe(`${one}\n\n${two}\n\n${done}\n\n`);
  });

  test('what is left out is in the headers of a stream, too, which begins before the answer says it', async () => {
    const { live } = liveCall({ event: 'data: {}' }, good({}));
    const asked = { model: 'm', messages: [{ role: 'user', content: '2+2' }], store: true, user: 'me' };
    const { headers } = await writeAnswer(live, given(CHAT, asked));
    expect(headers.get('x-llm-bridge-task')).toBe(TASK);
    expect(headers.get('x-llm-bridge-dropped')?.split(', ').sort()).toEqual(['store', 'user']);
  });

  test('lines of Ollama go out as lines', async () => {
    const lines = ['{"message":{"content":"4"},"done":false}', '{"done":true}'];
    const { live } = liveCall(...lines.map((event) => ({ event })), good({}));
    const response = await writeAnswer(live, given('/api/chat', {}));
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    expect(await response.text()).toBe(`${lines.join('\n')}\n`);
  });

  test('each event of a response has the id of the task', async () => {
    const events = [
      'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_x","output":[]},"sequence_number":0}',
      'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"4","sequence_number":1}',
    ];
    const { live } = liveCall(...events.map((event) => ({ event })), good({}));
    const text = await (await writeAnswer(live, given('/v1/responses', {}))).text();
    expect(text).toBe(`${events.map((event) => event.replace('resp_x', `resp_${TASK}`)).join('\n\n')}\n\n`);
  });

  test('the events of a response without numbers and places get them', async () => {
    const said = [
      { type: 'response.created', response: { id: 'resp_x', status: 'in_progress' } },
      { type: 'response.output_item.added', item: { id: 'msg_1', type: 'message' } },
      { type: 'response.output_text.delta', item_id: 'msg_1', delta: '4' },
    ];
    const { live } = liveCall(...said.map((value) => ({ event: data(value) })), good({}));
    const text = await (await writeAnswer(live, given('/v1/responses', {}))).text();
    const place = { output_index: 0 };
    expect(text.trim().split('\n\n').map(dataIn)).toEqual([
      { ...said[0], response: { id: `resp_${TASK}`, status: 'in_progress', output: [] }, sequence_number: 0 },
      { ...said[1], ...place, sequence_number: 1 },
      { ...said[2], ...place, content_index: 0, sequence_number: 2 },
    ]);
  });

  test('the first event is given before the second one is there', async () => {
    let come = (_event: CallEvent) => {};
    const second = new Promise<CallEvent>((resolve) => {
      come = resolve;
    });
    const { live } = liveCall({ event: 'data: {"a":1}' }, second, good({}));
    const response = await writeAnswer(live, given(CHAT, {}));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('data: {"a":1}\n\n');
    come({ event: 'data: {"b":2}' });
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('data: {"b":2}\n\n');
  });

  test('while nothing comes a stream of events says that it waits, and then how it ended', async () => {
    const waits = new Promise<CallEvent>((resolve) => setTimeout(() => resolve({ unanswered: 'wait' }), 60));
    const { live } = liveCall(waits);
    const text = await (await writeAnswer(live, given(CHAT, {}, { commentMs: 10 }))).text();
    expect(text).toMatch(/^(?:: waiting for the model\n\n)+data: \{"error":\{.*a1a1a1a1a1a1.*\}\}\n\n$/);
  });

  test('a second generation ends a stream that has said something, and begins one that has not', async () => {
    const one = { event: data({ choices: [{ delta: { content: 'old' } }] }) };
    const two = { event: data({ choices: [{ delta: { content: 'new' } }] }) };
    const late = liveCall(one, { restart: true }, two, good({}));
    const text = await (await writeAnswer(late.live, given(CHAT, {}))).text();
    expect(text).toContain('old');
    expect(text).toMatch(/data: \{"error":\{.*began the task a1a1a1a1a1a1 again.*\}\}\n\n$/);
    expect(text).not.toContain('new');
    expect(late.left).not.toContain(true);
    const early = liveCall({ restart: true }, two, good({}));
    expect(await (await writeAnswer(early.live, given(CHAT, {}))).text()).toBe(
      `${two.event}\n\ndata: [DONE]\n\n`,
    );
  });

  test('a stream that broke off ends with an error, and the same call finds the answer', async () => {
    const { live, left } = liveCall({ event: data({ choices: [] }) }, good(CHAT_BODY, false));
    const text = await (await writeAnswer(live, given(CHAT, {}))).text();
    expect(text).toMatch(/"error":\{.*broke off.*\}\}\n\n$/);
    expect(left).not.toContain(true);
  });

  test('a client that leaves is a listener less, whether it reads a stream or waits for the first byte', async () => {
    const reading = liveCall({ event: 'data: {}' }, new Promise<CallEvent>(() => {}));
    const response = await writeAnswer(reading.live, given(CHAT, {}));
    await response.body?.cancel();
    expect(reading.left).toEqual([false]);
    for (const wantsStream of [true, false]) {
      const waiting = liveCall(new Promise<CallEvent>(() => {}));
      const gone = new AbortController();
      const writing = writeAnswer(waiting.live, given(CHAT, {}, { wantsStream, left: gone.signal }));
      gone.abort();
      await expect(writing).rejects.toMatchObject({ code: 'client_left' });
      expect(waiting.left).not.toContain(true);
      expect(waiting.left.length).toBeGreaterThan(0);
    }
  });
});

describe('where there is no stream, the official clients have the whole answer from the shortest one', () => {
  const fetchOf = (path: string, body: unknown, asked: Record<string, unknown> = {}) => {
    const { live } = liveCall(good(body, false));
    return async () => writeAnswer(live, given(path, asked));
  };
  const openai = (path: string, body: unknown, asked?: Record<string, unknown>) =>
    new OpenAI({ apiKey: 'k', baseURL: 'http://127.0.0.1:1/v1', fetch: fetchOf(path, body, asked) });

  test('chat completions, with tool calls and usage', async () => {
    const client = openai(CHAT, CHAT_BODY, { stream_options: { include_usage: true } });
    const stream = client.chat.completions.stream({
      ...{ model: 'm', messages: [{ role: 'user', content: '2+2' }] },
      stream_options: { include_usage: true },
    });
    const { choices, usage } = await stream.finalChatCompletion();
    expect(usage).toEqual(CHAT_BODY.usage);
    expect(choices).toMatchObject(CHAT_BODY.choices);
  });

  test('completions', async () => {
    const choice = { index: 0, text: 'four', logprobs: null, finish_reason: 'stop' };
    const client = openai('/v1/completions', { id: 'c', object: 'text_completion', choices: [choice] });
    const stream = await client.completions.create({ model: 'm', prompt: '2+2', stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.flatMap(({ choices }) => choices)).toEqual([choice]);
  });

  test('responses, with a function call', async () => {
    const client = openai('/v1/responses', RESPONSE_BODY);
    const stream = client.responses.stream({ model: 'm', input: '2+2' });
    let said = '';
    stream.on('response.output_text.delta', ({ delta }) => {
      said += delta;
    });
    const response = await stream.finalResponse();
    expect(said).toBe('четыре');
    expect(response).toMatchObject({ ...RESPONSE_BODY, id: `resp_${TASK}` });
  });

  test('messages, with thinking and a tool', async () => {
    const client = new Anthropic({
      ...{ apiKey: 'k', baseURL: 'http://127.0.0.1:1' },
      fetch: fetchOf('/v1/messages', MESSAGE_BODY),
    });
    const stream = client.messages.stream({
      ...{ model: 'm', max_tokens: 10, messages: [{ role: 'user', content: '2+2' }] },
    });
    expect(await stream.finalMessage()).toMatchObject(MESSAGE_BODY);
  });

  test('chat and generate of Ollama, in one line', async () => {
    for (const [path, body] of [
      ['/api/chat', { model: 'm', message: { role: 'assistant', content: '4' }, done: true }],
      ['/api/generate', { model: 'm', response: '4', done: true }],
    ] as const) {
      const { live } = liveCall(good(body, false));
      expect(await (await writeAnswer(live, given(path, {}))).text()).toBe(`${JSON.stringify(body)}\n`);
    }
  });
});

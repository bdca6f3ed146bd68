import { expect, test } from 'vitest';
import { type Behaviour, inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import { type StandIn, startStandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { onCleanup } from '../../../support/on-cleanup.js';

const OLLAMA = { model: 'llama3.2', messages: [{ role: 'user', content: '2+2' }] };
const LMSTUDIO = { model: 'llama-3.2-3b-instruct', messages: [{ role: 'user', content: '2+2' }] };

async function start(behaviour: Behaviour = {}): Promise<StandIn> {
  const standIn = await startStandIn({ behave: () => behaviour, now: () => Date.UTC(2026, 10, 22) });
  onCleanup(() => standIn.close());
  return standIn;
}

function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

function chatOllama(standIn: StandIn, more: object = {}): Promise<Response> {
  return post(`${standIn.ollamaUrl}/api/chat`, { ...OLLAMA, ...more });
}

function chatLmstudio(standIn: StandIn, more: object = {}): Promise<Response> {
  return post(`${standIn.lmstudioUrl}/chat/completions`, { ...LMSTUDIO, ...more });
}

test('it lists its models in both formats and has a version', async () => {
  const standIn = await start();
  expect(await (await fetch(`${standIn.ollamaUrl}/api/tags`)).json()).toMatchObject({
    models: [{ name: 'llama3.2:latest', model: 'llama3.2:latest' }],
  });
  expect(await (await fetch(`${standIn.lmstudioUrl}/models`)).json()).toMatchObject({
    object: 'list',
    data: [{ id: 'llama-3.2-3b-instruct', object: 'model' }],
  });
  expect(await (await fetch(`${standIn.ollamaUrl}/api/version`)).json()).toHaveProperty('version');
  standIn.models = { ollama: [], lmstudio: [], openai: [] };
  expect(await (await fetch(`${standIn.ollamaUrl}/api/tags`)).json()).toEqual({ models: [] });
});

test("ollama's stream is lines of JSON, several, the last one done and counted", async () => {
  const response = await chatOllama(await start({ answer: 'one two' }));
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  const lines = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  const head = { model: 'llama3.2', created_at: '2026-11-22T00:00:00.000Z' };
  expect(lines).toMatchObject([
    { ...head, message: { role: 'assistant', content: 'one ' }, done: false },
    { ...head, message: { role: 'assistant', content: 'two' }, done: false },
    {
      ...head,
      message: { content: '' },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 1,
      eval_count: 2,
    },
  ]);
});

test("LM Studio's stream is events, several, the usage where it was asked for, and [DONE]", async () => {
  const standIn = await start({ answer: 'one two' });
  const events = async (more: object) => {
    const response = await chatLmstudio(standIn, { stream: true, ...more });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    return (await response.text()).trimEnd().split('\n\n');
  };
  const plain = await events({});
  expect(plain.at(-1)).toBe('data: [DONE]');
  expect(
    plain.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)) as unknown),
  ).toMatchObject([
    { object: 'chat.completion.chunk', choices: [{ delta: { content: 'one ' }, finish_reason: null }] },
    { object: 'chat.completion.chunk', choices: [{ delta: { content: 'two' }, finish_reason: null }] },
    { object: 'chat.completion.chunk', choices: [{ delta: {}, finish_reason: 'stop' }] },
  ]);
  expect(plain.join()).not.toContain('usage');
  const counted = await events({ stream_options: { include_usage: true } });
  expect(counted.at(-2)).toContain(
    '"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}',
  );
});

test('both formats answer in one piece too, thinking in its own field', async () => {
  const standIn = await start({ thinking: 'hm' });
  expect(await (await chatOllama(standIn, { stream: false })).json()).toMatchObject({
    message: { content: '4', thinking: 'hm' },
    done: true,
  });
  expect(await (await chatLmstudio(standIn)).json()).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { content: '4', reasoning_content: 'hm' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1 },
  });
});

test('a schema is honoured in both formats', async () => {
  const standIn = await start();
  const schema = { type: 'object', properties: { n: { type: 'integer' } } };
  const ollama = (await (await chatOllama(standIn, { stream: false, format: schema })).json()) as {
    message: unknown;
  };
  expect(ollama.message).toMatchObject({ content: '{"n":4}' });
  const format = { type: 'json_schema', json_schema: { name: 'n', strict: true, schema } };
  const lmstudio = await (await chatLmstudio(standIn, { response_format: format })).json();
  expect(lmstudio).toMatchObject({ choices: [{ message: { content: '{"n":4}' } }] });
});

test("LM Studio refuses json_object in LM Studio's words", async () => {
  const response = await chatLmstudio(await start(), { response_format: { type: 'json_object' } });
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({ error: "'response_format.type' must be 'json_schema' or 'text'" });
});

test('a model that is not there is refused in the words of either server', async () => {
  const standIn = await start();
  const ollama = await chatOllama(standIn, { model: 'nonesuch' });
  expect([ollama.status, await ollama.json()]).toEqual([404, { error: "model 'nonesuch' not found" }]);
  const lmstudio = await chatLmstudio(standIn, { model: 'nonesuch' });
  expect(lmstudio.status).toBe(404);
  expect(await lmstudio.json()).toMatchObject({ error: { code: 'model_not_found' } });
});

test.each([
  ['busy', [503, /"server busy, please try again\. /], [503, /"Loading model"/]],
  ['crashed', [500, /"llama runner process has terminated/], [400, /"The model has crashed/]],
  ['out-of-memory', [500, /out of memory"/], [400, /insufficient system resources/]],
] as const)('a server that is %s says so in the words of either', async (kind, ollama, lmstudio) => {
  const standIn = await start({ refuse: { kind } });
  for (const [response, [status, words]] of [
    [await chatOllama(standIn), ollama],
    [await chatLmstudio(standIn), lmstudio],
  ] as const) {
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await response.text()).toMatch(words);
  }
});

test('a busy server may say when to come again', async () => {
  const standIn = await start({ refuse: { kind: 'busy', retryAfter: '7' } });
  for (const response of [await chatOllama(standIn), await chatLmstudio(standIn)]) {
    expect(response.headers.get('retry-after')).toBe('7');
    await response.text();
  }
});

test('a model that never ends goes on until its reader goes', async () => {
  const standIn = await start({ answer: 'one two', pieceChars: 3, endless: { kind: 'answer', text: ' 3' } });
  const arrived = standIn.nextRequest();
  const response = await chatOllama(standIn);
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.split('" 3"').length > 5) break;
  }
  expect(text).toMatch(/"one".*\n.*" tw".*\n.*"o".*\n.*" 3".*\n.*" 3"/);
  expect(await (await arrived).ended).toBe('lost');
});

test('a request that is none is refused, and an unknown path is not found', async () => {
  const standIn = await start();
  expect((await post(`${standIn.ollamaUrl}/api/chat`, { model: 1 })).status).toBe(400);
  expect((await post(`${standIn.lmstudioUrl}/chat/completions`, [])).status).toBe(400);
  expect((await fetch(`${standIn.ollamaUrl}/api/generate`)).status).toBe(404);
});

test('behaviours come in turn, and every request is on record with how it ended', async () => {
  const standIn = await start();
  standIn.behave = inTurn({ answer: 'a b' }, { answer: 'a b', fault: { afterChunks: 1, kind: 'die' } });
  expect(await (await chatOllama(standIn)).text()).toContain('"done":true');
  await expect(chatOllama(standIn).then((response) => response.text())).rejects.toThrow('terminated');
  expect(await (await chatOllama(standIn, { stream: false })).json()).toMatchObject({
    message: { content: '4' },
  });
  expect(standIn.requests).toMatchObject([{ method: 'POST', path: '/api/chat', body: OLLAMA }, {}, {}]);
  expect(await Promise.all(standIn.requests.map((request) => request.ended))).toEqual([
    'complete',
    'lost',
    'complete',
  ]);
});

test('the first token waits for its promise, with the headers or without', async () => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const standIn = await start({ firstTokenAfter: opened, headersAtOnce: true });
  const response = await chatOllama(standIn);
  const text = response.text();
  open();
  expect(await text).toContain('"done":true');
});

test('closing ends requests that still wait', async () => {
  const standIn = await startStandIn({ behave: () => ({ firstTokenAfter: new Promise(() => {}) }) });
  const arrived = standIn.nextRequest();
  const response = chatOllama(standIn);
  const failed = expect(response).rejects.toThrow('fetch failed');
  const request = await arrived;
  await standIn.close();
  await failed;
  expect(await request.ended).toBe('lost');
});

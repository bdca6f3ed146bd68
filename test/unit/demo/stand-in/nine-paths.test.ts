import { expect, test } from 'vitest';
import type { Behaviour, WireName } from '../../../../src/demo/stand-in/stand-in-request.js';
import { type StandIn, startStandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { REQUEST_PATHS, type RequestPath } from '../../../../src/protocol/request.js';
import { onCleanup } from '../../../support/on-cleanup.js';

const MODELS: Readonly<Record<WireName, string>> = {
  ollama: 'llama3.2:latest',
  lmstudio: 'llama-3.2-3b-instruct',
  openai: 'Llama-3.2-3B-Instruct-Q4_K_M.gguf',
};
const WIRES = ['ollama', 'lmstudio', 'openai'] as const;
const TOOL = { name: 'weather', parameters: { type: 'object' } };
const CALL = { name: 'weather', arguments: { city: 'Kyiv' } };
const MESSAGES = [{ role: 'user', content: '2+2' }];

/** What asks `2+2` by each path, with a tool where the API has them. */
const BODIES: Readonly<Record<RequestPath, object>> = {
  '/v1/chat/completions': { messages: MESSAGES, tools: [{ type: 'function', function: TOOL }] },
  '/v1/completions': { prompt: '2+2' },
  '/v1/embeddings': { input: ['one', 'two'] },
  '/v1/responses': { input: '2+2', tools: [{ type: 'function', ...TOOL }] },
  '/v1/messages': { messages: MESSAGES, max_tokens: 9, tools: [{ name: 'weather', input_schema: {} }] },
  '/api/chat': { messages: MESSAGES, tools: [{ type: 'function', function: TOOL }] },
  '/api/generate': { prompt: '2+2' },
  '/api/embed': { input: ['one', 'two'] },
  '/api/embeddings': { prompt: 'one' },
};

async function start(behaviour: Behaviour = {}): Promise<StandIn> {
  const standIn = await startStandIn({ behave: () => behaviour, now: () => Date.UTC(2026, 10, 22) });
  onCleanup(() => standIn.close());
  return standIn;
}

async function ask(standIn: StandIn, wire: WireName, path: RequestPath, more: object = {}) {
  const root = wire === 'openai' ? standIn.openaiUrl.replace(/\/v1$/, '') : standIn.ollamaUrl;
  return await fetch(`${root}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODELS[wire], ...BODIES[path], ...more }),
  });
}

/** The values in the `data` of a stream of events, or in its lines. */
async function valuesOf(response: Response): Promise<Record<string, unknown>[]> {
  const lines = (await response.text()).split('\n').filter((line) => /^(?:data: )?\{/.test(line));
  return lines.map((line) => JSON.parse(line.replace(/^data: /, '')) as Record<string, unknown>);
}

const SERVED = WIRES.flatMap((wire) =>
  REQUEST_PATHS.filter((path) => wire === 'ollama' || path.startsWith('/v1/')).map(
    (path) => [wire, path] as const,
  ),
);

test.each(SERVED)('%s answers %s, and what it was asked is on record', async (wire, path) => {
  const standIn = await start();
  const response = await ask(standIn, wire, path, { stream: false });
  expect(response.status).toBe(200);
  const text = await response.text();
  expect(text).toMatch(/embed/.test(path) ? /"embeddings?":\[/ : /"4"/);
  expect(standIn.requests.at(-1)).toMatchObject({ body: { model: MODELS[wire], ...BODIES[path] } });
});

test.each([
  ['lmstudio', '/api/v0/chat'],
  ['openai', '/openai/api/chat'],
] as const)('%s has no path %s', async (_wire, path) => {
  const standIn = await start();
  const response = await fetch(`${standIn.ollamaUrl}${path}`, { method: 'POST', body: '{}' });
  expect(response.status).toBe(404);
});

const STREAMED = SERVED.filter(([, path]) => !/embed/.test(path));

test.each(STREAMED)('%s streams %s in several events with thinking apart', async (wire, path) => {
  const standIn = await start({ thinking: 'well then', answer: 'it is four' });
  const response = await ask(standIn, wire, path, { stream: true });
  const type = path.startsWith('/api/') ? 'application/x-ndjson' : 'text/event-stream';
  expect(response.headers.get('content-type')).toBe(type);
  const values = await valuesOf(response);
  expect(values.length).toBeGreaterThan(3);
  const said = JSON.stringify(values);
  expect(said).toContain('"four"');
  if (path !== '/v1/completions') expect(said).toContain('"well "');
});

const TOOLED = STREAMED.filter(([, path]) => 'tools' in BODIES[path]);

test.each(TOOLED)('%s calls a function by %s, streamed and not, where one is offered', async (wire, path) => {
  const standIn = await start({ toolCalls: [CALL] });
  const whole = await (await ask(standIn, wire, path, { stream: false })).text();
  expect(whole).toMatch(/"name":"weather"/);
  expect(whole.replaceAll('\\', '')).toContain('{"city":"Kyiv"}');
  const streamed = await (await ask(standIn, wire, path, { stream: true })).text();
  expect(streamed).toMatch(/"name":"weather"/);
  expect(streamed).toMatch(path === '/api/chat' ? /"Kyiv"/ : /Kyiv|"yiv|"Ky|y\\":\\"|iv\\"/);
  // Without the offer there is no call.
  const plain = await (await ask(standIn, wire, path, { stream: false, tools: [] })).text();
  expect(plain).not.toContain('weather');
});

test('the arguments of a call come in pieces by their index, and make the whole', async () => {
  const standIn = await start({ toolCalls: [CALL, { name: 'weather', arguments: { city: 'Oslo' } }] });
  const values = await valuesOf(await ask(standIn, 'openai', '/v1/chat/completions', { stream: true }));
  const calls = values.flatMap(
    ({ choices }) =>
      (choices as { delta: { tool_calls?: { index: number; function: { arguments: string } }[] } }[])[0]
        ?.delta.tool_calls ?? [],
  );
  expect(calls.length).toBeGreaterThan(4);
  const texts = [0, 1].map((place) =>
    calls
      .filter(({ index }) => index === place)
      .map((call) => call.function.arguments)
      .join(''),
  );
  expect(texts).toEqual(['{"city":"Kyiv"}', '{"city":"Oslo"}']);
  expect(
    values.map(({ choices }) => (choices as { finish_reason: unknown }[])[0]?.finish_reason).at(-1),
  ).toBe('tool_calls');
});

test('a server that makes several answers makes n, and the others one', async () => {
  const standIn = await start();
  const count = async (wire: WireName) => {
    const body = (await (await ask(standIn, wire, '/v1/chat/completions', { n: 3 })).json()) as {
      choices: { index: number }[];
    };
    return body.choices.map(({ index }) => index);
  };
  expect(await count('openai')).toEqual([0, 1, 2]);
  expect(await count('ollama')).toEqual([0]);
  const streamed = await valuesOf(
    await ask(standIn, 'openai', '/v1/chat/completions', { n: 2, stream: true, tools: [] }),
  );
  const finished = streamed.flatMap(({ choices }) => choices as { index: number; finish_reason: unknown }[]);
  expect(finished.filter(({ finish_reason }) => finish_reason !== null).map(({ index }) => index)).toEqual([
    0, 1,
  ]);
});

test('log probabilities come with each token where they are asked for', async () => {
  const standIn = await start({ answer: 'one two' });
  const more = { logprobs: true, top_logprobs: 2, stream: false };
  for (const wire of ['ollama', 'openai'] as const) {
    const body = await (await ask(standIn, wire, '/v1/chat/completions', more)).json();
    expect(body).toMatchObject({
      choices: [{ logprobs: { content: [{ token: 'one ', top_logprobs: [{}, {}] }, { token: 'two' }] } }],
    });
  }
  const own = await valuesOf(await ask(standIn, 'ollama', '/api/chat', { ...more, stream: true }));
  expect(own[0]).toMatchObject({ logprobs: [{ token: 'one ', logprob: -0.25 }] });
});

test('embeddings are the same for the same text, as numbers and as base64', async () => {
  const standIn = await start();
  const data = async (more: object) =>
    (
      (await (await ask(standIn, 'openai', '/v1/embeddings', more)).json()) as {
        data: { embedding: unknown }[];
      }
    ).data;
  const [one, two] = await data({ encoding_format: 'float' });
  expect(one).not.toEqual(two);
  const [again] = await data({ input: 'one' });
  expect(again).toEqual(one);
  const [coded] = await data({ input: 'one', encoding_format: 'base64' });
  const bytes = Buffer.from(coded?.embedding as string, 'base64');
  expect(Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))).toEqual(
    one?.embedding,
  );
  const own = (await (await ask(standIn, 'ollama', '/api/embed', { dimensions: 3 })).json()) as {
    embeddings: number[][];
  };
  expect(own.embeddings.map((vector) => vector.length)).toEqual([3, 3]);
});

test.each([
  ['ollama', '/v1/chat/completions', 404, { error: { type: 'not_found_error', param: null } }],
  ['ollama', '/v1/messages', 404, { type: 'error', error: { type: 'not_found_error' } }],
  ['ollama', '/v1/embeddings', 404, { error: { type: 'not_found_error' } }],
  ['ollama', '/api/generate', 404, { error: "model 'llama3.2:latest' not found" }],
  ['lmstudio', '/v1/responses', 404, { error: { code: 'model_not_found' } }],
  ['openai', '/v1/messages', 400, { error: { type: 'invalid_request_error' } }],
] as const)('%s refuses on %s in its words for that API', async (wire, path, status, words) => {
  const response = await ask(await start({ refuse: { kind: 'model-missing' } }), wire, path);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject(words);
});

test.each(STREAMED)('%s breaks off a stream of %s as it does where its model crashes', async (wire, path) => {
  const standIn = await start({
    answer: 'one two',
    fault: { afterChunks: 1, kind: 'error', message: 'gone' },
  });
  const values = await valuesOf(await ask(standIn, wire, path, { stream: true }));
  const last = JSON.stringify(values.at(-1));
  if (wire === 'ollama' && path.startsWith('/v1/')) {
    // It takes its own error for an answer without text, and the stream ends.
    expect(last).not.toMatch(/gone|"(?:stop|end_turn|completed)"/);
  } else {
    expect(last).toMatch(/"(?:error|message)":"gone"/);
  }
});

test.each(SERVED)('%s says in its own words that a body on %s has the wrong form', async (wire, path) => {
  const standIn = await start();
  const root = wire === 'openai' ? standIn.openaiUrl.replace(/\/v1$/, '') : standIn.ollamaUrl;
  const response = await fetch(`${root}${path}`, { method: 'POST', body: JSON.stringify({ model: 5 }) });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(await response.json()).toHaveProperty('error');
});

import { describe, expect, test } from 'vitest';
import { BACKENDS } from '../../src/agent/backends/backends.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { openAssembler } from '../../src/agent/requests/assemble/open-assembler.js';
import { REQUEST_PATHS, type RequestPath } from '../../src/protocol/request.js';
import { comparableBody, eventsIn, saidOf } from '../support/api-body.js';
import { openReal, type RealServer, realServer, variableOf } from './real-server.js';
import { HELD_BY_OLLAMA, TOOL_CALLS } from './tool-calls.js';

// What is put together from the stream of a real server, and what it says to the same call without one,
// field by field; see model-servers.test.ts for where they are.

const MESSAGES = [{ role: 'user', content: 'Say: yes' }];
const SAME = { temperature: 0, seed: 1 };
const COUNTED = { stream_options: { include_usage: true } };
const TOOL = {
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

/** The arguments of a call, as one API or another writes them. */
const CALLED = /"arguments":"\{\\"city\\": ?\\"Rome\\"\}"|"(?:input|arguments)":\{"city":"Rome"\}/;

/**
 * Calls of each path that can be streamed. A server that does not know a field says so, or leaves it out.
 */
const CALLS: readonly [what: string, path: RequestPath, body: Readonly<Record<string, unknown>>][] = [
  ['plain', '/v1/chat/completions', { messages: MESSAGES, max_tokens: 6, ...SAME, ...COUNTED }],
  [
    'with log probabilities',
    '/v1/chat/completions',
    { messages: MESSAGES, max_tokens: 4, logprobs: true, top_logprobs: 2, ...SAME, ...COUNTED },
  ],
  [
    'with two choices',
    '/v1/chat/completions',
    { messages: MESSAGES, max_tokens: 4, n: 2, ...SAME, ...COUNTED },
  ],
  [
    'with a tool',
    '/v1/chat/completions',
    {
      ...{ messages: MESSAGES, max_tokens: 30, ...SAME, ...COUNTED },
      tools: [{ type: 'function', function: TOOL }],
    },
  ],
  [
    'that stops at a word',
    '/v1/chat/completions',
    {
      ...{ messages: MESSAGES, max_tokens: 12, stop: ['yes'], ...SAME, ...COUNTED },
    },
  ],
  ['plain', '/v1/completions', { prompt: 'One two', max_tokens: 5, ...SAME, ...COUNTED }],
  [
    'with log probabilities',
    '/v1/completions',
    {
      ...{ prompt: 'One two', max_tokens: 3, logprobs: 2, ...SAME, ...COUNTED },
    },
  ],
  ['plain', '/v1/responses', { input: 'Say: yes', max_output_tokens: 6, ...SAME }],
  [
    'with instructions',
    '/v1/responses',
    { input: MESSAGES, instructions: 'Be brief', max_output_tokens: 6, ...SAME },
  ],
  ['plain', '/v1/messages', { messages: MESSAGES, max_tokens: 6, ...SAME }],
  [
    'that stops at a word',
    '/v1/messages',
    { messages: MESSAGES, max_tokens: 12, stop_sequences: ['yes'], ...SAME },
  ],
  ['plain', '/api/chat', { messages: MESSAGES, options: { num_predict: 6, ...SAME } }],
  [
    'with log probabilities',
    '/api/chat',
    {
      ...{ messages: MESSAGES, logprobs: true, top_logprobs: 2, options: { num_predict: 4, ...SAME } },
    },
  ],
  [
    'held to a schema',
    '/api/chat',
    {
      ...{ messages: MESSAGES, options: { num_predict: 20, ...SAME } },
      format: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] },
    },
  ],
  ['plain', '/api/generate', { prompt: 'One two', options: { num_predict: 5, ...SAME } }],
  [
    'without a template',
    '/api/generate',
    { prompt: 'One two', raw: true, options: { num_predict: 5, ...SAME } },
  ],
];

describe.each(BACKENDS.map(({ name }) => name))('a real %s', (name) => {
  const server = realServer(name);
  const calls = CALLS.filter(([, path]) => name === 'ollama' || path.startsWith('/v1/'));

  test.for(calls)(
    'a call %s of %s is the same streamed and not',
    { timeout: 300_000 },
    async (call, { skip }) => {
      const [, path, body] = call;
      if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
      const model = bestModel(await modelsOf(server))?.name;
      await compare(server, path, { model, ...body }, skip);
    },
  );

  const toolCalls = REQUEST_PATHS.filter((path) => path in TOOL_CALLS).filter(
    (path) => name === 'ollama' || path.startsWith('/v1/'),
  );
  test.for(toolCalls)(
    'a tool that is called on %s is the same streamed and not',
    { timeout: 300_000 },
    async (path, { skip }) => {
      if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
      // llama.cpp says nothing of tools.
      const models = (await modelsOf(server)).filter(({ can }) => name !== 'ollama' || can.includes('tools'));
      const model = bestModel(models)?.name;
      const held = name === 'ollama' ? HELD_BY_OLLAMA[path] : {};
      if (model === undefined) return skip('no model there can call a tool');
      const said = await compare(server, path, { model, ...TOOL_CALLS[path], ...held }, skip);
      // What is said of the tools themselves aside.
      const text = JSON.stringify({ ...said, tools: [] });
      if (!/"name":"get_weather"/.test(text)) return skip('the model called no tool');
      expect(text).toMatch(CALLED);
    },
  );
});

function modelsOf(server: RealServer) {
  return openReal(server).then((backend) => backend.listModels(new AbortController().signal));
}

/** Asks both ways, and compares what is put together with what was said at once. Returns the latter. */
async function compare(
  server: RealServer,
  path: RequestPath,
  body: Readonly<Record<string, unknown>>,
  skip: (why: string) => never,
): Promise<Record<string, unknown>> {
  const ask = (stream: boolean) => post(server, path, { ...body, stream });
  // The first only fills the server's memory: what it has counts as cached, in its usage.
  await (await ask(false)).text();
  const whole = await ask(false);
  const said = (await whole.json()) as Record<string, unknown>;
  const streamed = await ask(true);
  expect(streamed.status).toBe(whole.status);
  // A server that has no such path, or does not take a field, says so either way.
  if (!whole.ok) return skip(`HTTP ${whole.status}: ${JSON.stringify(said).slice(0, 200)}`);
  const assembler = openAssembler(path);
  for (const event of eventsIn(await streamed.text())) assembler.take(event);
  expect(assembler.isComplete()).toBe(true);
  expect(comparableBody(assembler.body())).toEqual(comparableBody(said));
  const unstreamed = openAssembler(path);
  unstreamed.read(said);
  expect(saidOf(assembler)).toEqual(saidOf(unstreamed));
  return said;
}

/** Posts to the server itself, whose address may end in `/v1`. */
function post({ url, token }: RealServer, path: RequestPath, body: object): Promise<Response> {
  const key = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return fetch(`${url.replace(/\/v1\/?$/, '')}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...key },
    body: JSON.stringify(body),
  });
}

import { expect, test } from 'vitest';
import { BACKENDS } from '../../src/agent/backends/backends.js';
import { purposeOf } from '../../src/agent/backends/call-prompt.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { REQUEST_PATHS, type RequestPath } from '../../src/protocol/request.js';
import { callOf, openReal, type RealServer, realServer, variableOf } from './real-server.js';

// Calls that an agent passes on to real model servers (see model-servers.test.ts). How each body is put
// together is compared field by field where that is done; here is whether calls get through.

const messages = [{ role: 'user', content: 'Count: one two three' }];
const tools = [
  {
    type: 'function',
    function: { name: 'count', parameters: { type: 'object', properties: { to: { type: 'number' } } } },
  },
];

/** What is sent on each path. No more than a few tokens are wanted. */
const BODIES: Readonly<Record<RequestPath, readonly Record<string, unknown>[]>> = {
  '/v1/chat/completions': [
    { messages, max_tokens: 8, temperature: 0, seed: 1 },
    { messages, max_tokens: 8, tools, user: 'somebody' },
  ],
  '/v1/completions': [{ prompt: 'one two', max_tokens: 8, temperature: 0 }],
  '/v1/embeddings': [{ input: ['one', 'two'] }],
  '/v1/responses': [{ input: 'Count: one two three', max_output_tokens: 16 }],
  '/v1/messages': [{ messages, max_tokens: 8 }],
  '/api/chat': [{ messages, options: { num_predict: 8, temperature: 0 } }],
  '/api/generate': [{ prompt: 'one two', options: { num_predict: 8 } }],
  '/api/embed': [{ input: ['one', 'two'] }],
  '/api/embeddings': [{ prompt: 'one' }],
};

const CASES = BACKENDS.flatMap(({ name, paths }) =>
  REQUEST_PATHS.filter((path) => paths.some((one) => one === path)).flatMap((path) =>
    BODIES[path].map((body) => ({ name, path, body })),
  ),
);

test.for(CASES)('a real $name is passed a call of $path', { timeout: 300_000 }, async (one, { skip }) => {
  const { name, path, body } = one;
  const server = realServer(name);
  if (server === null) return skip(`${variableOf(name)} does not say where one listens`);
  const model = await modelFor(server, path);
  if (model === null) return skip(`the ${name} at ${server.url} has no model that can ${purposeOf(path)}`);
  const outcome = await callOf(server, { path, body: { model, ...body } });
  const { response, error, events } = outcome;
  if (error?.code === 'request_refused') {
    expect(error.message).toContain(`does not serve ${path}`);
    return;
  }
  if ('tools' in body && error !== null) {
    expect(outcome).toMatchObject({ response: { status: 400 }, error: { code: 'backend_refused' } });
    expect(error.message).toContain('does not support tools');
    return;
  }
  expect(outcome).toMatchObject({ error: null, backend: name, response: { status: 200 } });
  expect(outcome.dropped).toEqual('user' in body ? ['user'] : undefined);
  if (purposeOf(path) === 'embed') {
    expect(JSON.stringify(response?.body)).toMatch(/"embeddings?":\[/);
    return;
  }
  expect(events.length).toBeGreaterThan(1);
  expect(outcome.usage?.completion_tokens).toBeGreaterThan(0);
  if (!('tools' in body)) expect(outcome.answer?.trim()).not.toBe('');
  expect(JSON.stringify(response?.body)).toContain(JSON.stringify(outcome.answer ?? 'tool_calls'));
});

/** A model that chats, or that embeds; null where the server has none of these. */
async function modelFor(server: RealServer, path: RequestPath): Promise<string | null> {
  const models = await (await openReal(server)).listModels(new AbortController().signal);
  return bestModel(models, purposeOf(path))?.name ?? null;
}

import { expect, test } from 'vitest';
import { untilLastWords } from '../../../../src/agent/backends/last-words.js';
import type { RequestPath } from '../../../../src/protocol/request.js';
import { allAt, settingsFor } from '../generate-fixture.js';
import { pass } from '../requests/pass-on.js';
import {
  delta,
  failureOf,
  generate,
  line,
  NDJSON,
  type RawServer,
  said,
  serverThatSays,
} from './raw-server.js';

// How model servers end an answer, or do not, as people have reported it: each for a task and for a call
// that is passed on.

const SSE = 'text/event-stream';
const DONE = 'data: [DONE]\n\n';

/** Passes a call on to such a server. */
async function call({ url }: RawServer, path: RequestPath, more: Readonly<Record<string, unknown>> = {}) {
  const order = [path.startsWith('/api/') ? 'ollama' : 'openai'] as const;
  const body = { model: 'm', messages: [{ role: 'user', content: '2+2' }], ...more };
  const urls = { ...allAt(url), openaiUrl: `${url}/v1` };
  return (await pass({ path, body }, settingsFor(urls, { order }))).outcome;
}

const CHAT = '/v1/chat/completions';

test('a stream whose last word is [DONE] is whole without a finish reason (waybarrios/vllm-mlx#628)', async () => {
  const server = await serverThatSays(delta({ content: '4' }) + delta({}) + DONE);
  for (const wire of ['lmstudio', 'openai'] as const) {
    const generation = await generate(wire, server);
    expect(generation).toMatchObject({ answer: '4' });
    expect(generation).not.toHaveProperty('finishReason');
  }
  expect(await call(server, CHAT)).toMatchObject({ answer: '4', error: null });
});

test('nobody waits for [DONE] on a connection that is kept behind a whole answer (waybarrios/vllm-mlx#101)', async () => {
  const whole = delta({ content: '4' }) + delta({}, 'stop');
  const [silent, done] = await Promise.all(
    [whole, delta({ content: '4' }) + DONE].map((stream) =>
      serverThatSays(({ method }, response) => {
        response.writeHead(200, { 'content-type': method === 'GET' ? 'application/json' : SSE });
        if (method === 'GET') response.end(JSON.stringify({ data: [{ id: 'm' }] }));
        else response.write(stream);
      }),
    ),
  );
  const outcomes = await Promise.all(
    [silent, done].flatMap((server) =>
      server === undefined
        ? []
        : [generate('lmstudio', server), generate('openai', server), call(server, CHAT)],
    ),
  );
  expect(outcomes.map(({ answer }) => answer)).toEqual(Array(6).fill('4'));
});

test('what a server still says behind a whole answer is heard, and what comes later is not', async () => {
  const heard: string[] = [];
  let isWhole = false;
  async function* events() {
    yield 'answer';
    isWhole = true;
    yield 'usage';
    await new Promise(() => {});
  }
  for await (const event of untilLastWords(events(), () => isWhole, 1)) heard.push(event);
  expect(heard).toEqual(['answer', 'usage']);
});

test('a choice that ends before another begins is not the end of both', async () => {
  const choice = (index: number, finish: string | null, content = '') =>
    `data: ${JSON.stringify({ model: 'm', choices: [{ index, delta: { content }, finish_reason: finish }] })}\n\n`;
  const first = choice(0, null, 'a') + choice(0, 'stop');
  const both = await serverThatSays(first + choice(1, null, 'b') + choice(1, 'stop'));
  expect(await call(both, CHAT, { n: 2 })).toMatchObject({ answer: 'a', error: null });
  const cut = await call(await serverThatSays(first), CHAT, { n: 2 });
  expect(cut.error).toMatchObject({ message: expect.stringContaining('before the answer was complete') });
});

test('an empty finish reason with each piece is none: a stream that breaks off is not taken for whole (ollama/ollama#4357)', async () => {
  const pieces = delta({ content: 'It is ' }, '') + delta({ content: '4' }, '');
  const cut = await serverThatSays(pieces);
  expect(await failureOf(generate('openai', cut))).toMatchObject({ kind: 'lost' });
  expect((await call(cut, CHAT)).error).not.toBeNull();
  expect(await generate('openai', await serverThatSays(pieces + delta({}, 'stop') + DONE))).toMatchObject({
    answer: 'It is 4',
    finishReason: 'stop',
  });
  const endless = await serverThatSays(delta({ content: 'and so on '.repeat(200) }, '') + delta({}, ''));
  expect(await generate('openai', endless)).toMatchObject({ finishReason: 'repetition' });
});

test('a last line of Ollama that has its reason and no done ends the answer (ollama/ollama-vscode#60)', async () => {
  const last = line({ message: { role: 'assistant', content: '' }, done_reason: 'stop', eval_count: 1 });
  const server = await serverThatSays(said('4') + last, NDJSON);
  expect(await generate('ollama', server)).toMatchObject({
    answer: '4',
    finishReason: 'stop',
    usage: { completion_tokens: 1 },
  });
  expect(await call(server, '/api/chat')).toMatchObject({ answer: '4', error: null, finish_reason: 'stop' });
  const stray = await serverThatSays(said('4') + line({ status: 'success' }), NDJSON);
  expect((await failureOf(generate('ollama', stray))).message).toContain('no part of an answer');
});

test('status 200 with an answer that is not done is none (ollama/ollama#17846)', async () => {
  const body = line({ message: { role: 'assistant', content: '' }, done: false });
  const server = await serverThatSays(body, 'application/json');
  expect(await failureOf(generate('ollama', server))).toMatchObject({ code: 'backend_error', kind: 'lost' });
  const outcome = await call(server, '/api/chat');
  expect(outcome).toMatchObject({ answer: null, error: { code: 'backend_error' } });
  expect(outcome).not.toHaveProperty('response');
});

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { generateAnswer } from '../../../../src/agent/generate/generate-answer.js';
import { freePort } from '../../../../src/demo/free-port.js';
import { type Behaviour, inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import { startStandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { answerTo, BACKENDS, CHAT_PATH, chatBodies, settingsFor, standInFor } from '../generate-fixture.js';

const QUICK = { retryWindowMs: 60_000, retryDelayMs: 1 };

const CHAT_LINE =
  '{"model":"m","message":{"role":"assistant","content":"4"},"done":true,"done_reason":"stop"}\n';

const http = (status: number, error: string, retryAfter?: string): Behaviour => ({
  refuse: {
    kind: 'http',
    status,
    body: JSON.stringify({ error }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  },
});

const LOSSES: readonly (readonly [string, Behaviour])[] = [
  ['a stream that dies', { fault: { afterChunks: 1, kind: 'die' } }],
  ['a stream that ends too soon', { fault: { afterChunks: 1, kind: 'end' } }],
  ['a stream that ends in the middle of a line', { fault: { afterChunks: 1, kind: 'cut' } }],
  ['a connection that dies before the first byte', { fault: { afterChunks: 0, kind: 'die' } }],
  ['a crash, told in place of a piece', { fault: { afterChunks: 1, kind: 'error' } }],
  ['a crash, told before the first piece', { fault: { afterChunks: 0, kind: 'error' } }],
  ['a crash, told with a status', { refuse: { kind: 'crashed' } }],
  ['a proxy that gave up', http(504, 'upstream timed out')],
  [
    'a busy server, in the middle of an answer',
    { fault: { afterChunks: 1, kind: 'error', message: 'server busy' } },
  ],
];

test.each(LOSSES)('%s gives the same server the task again, from the beginning', async (_what, behaviour) => {
  for (const order of [BACKENDS, [...BACKENDS].reverse()]) {
    const standIn = await standInFor({ behave: inTurn(behaviour, behaviour) });
    const lines: string[] = [];
    const settings = settingsFor(standIn, { order, ...QUICK, log: (line) => lines.push(line) });
    const outcome = await answerTo({ prompt: '20+3' }, settings);
    expect(outcome).toMatchObject({ answer: '23', error: null, backend: order[0], attempts: 3 });
    expect(chatBodies(standIn)).toHaveLength(3);
    expect(standIn.requests.some((request) => request.path === CHAT_PATH[order[1] ?? 'ollama'])).toBe(false);
    expect(lines).toEqual(Array(2).fill(expect.stringMatching(/; it gets the task again, for 60 s$/)));
  }
});

test.each(LOSSES)('%s every time is an error after three generations', async (_what, behaviour) => {
  const standIn = await standInFor({ behave: () => behaviour });
  const outcome = await answerTo({ prompt: '2+2' }, settingsFor(standIn, QUICK));
  expect(outcome).toMatchObject({ answer: null, backend: 'ollama', error: { code: 'backend_error' } });
  expect(outcome.error?.message).toMatch(/, 3 times$/);
  expect(outcome.attempts).toBe(3);
  expect(chatBodies(standIn)).toHaveLength(3);
});

test('a server that dies in the middle and comes back with another model answers with that one', async () => {
  const port = await freePort();
  const first = await startStandIn({ port, behave: () => ({ fault: { afterChunks: 1, kind: 'die' } }) });
  const log = async (line: string) => {
    if (!line.includes('it gets the task again')) return;
    await first.close();
    const second = await startStandIn({ port, models: { ollama: ['qwen3:8b'] } });
    onCleanup(() => second.close());
  };
  const settings = settingsFor(first, { ...QUICK, log: (line) => void log(line) });
  const outcome = await answerTo({ prompt: '2+2' }, settings);
  expect(outcome).toMatchObject({ answer: '4', error: null, model: 'qwen3:8b', backend: 'ollama' });
});

test('a server that dies in the middle and stays away is an error that says both, and no other is asked', async () => {
  const other = await standInFor();
  const dying = await startStandIn({ behave: () => ({ fault: { afterChunks: 1, kind: 'die' } }) });
  const settings = settingsFor(other, {
    ollamaUrl: dying.ollamaUrl,
    retryWindowMs: 200,
    retryDelayMs: 5,
    log: () => void dying.close(),
  });
  const outcome = await answerTo({ prompt: '2+2' }, settings);
  expect(outcome).toMatchObject({ answer: null, backend: 'ollama', error: { code: 'backend_error' } });
  expect(outcome.error?.message).toMatch(/connection was lost .*; then .*cannot be reached/);
  expect(other.requests).toEqual([]);
});

test('without a retry window it is generated once', async () => {
  const standIn = await standInFor({ behave: () => ({ fault: { afterChunks: 1, kind: 'die' } }) });
  const outcome = await answerTo({ prompt: '2+2' }, settingsFor(standIn));
  expect(outcome.error?.message).toMatch(/before the answer was complete$/);
  expect(chatBodies(standIn)).toHaveLength(1);
});

const BUSY: readonly (readonly [string, Behaviour])[] = [
  ['busy in its own words', { refuse: { kind: 'busy' } }],
  ['429 without a word', http(429, '')],
  [
    '502 of a proxy',
    { refuse: { kind: 'http', status: 502, body: '<h1>Bad Gateway</h1>', contentType: 'text/html' } },
  ],
  ['503 without a body', { refuse: { kind: 'http', status: 503, body: '' } }],
  ['503 with a Retry-After that is past', http(503, 'x', 'Thu, 26 Nov 2015 17:30:00 GMT')],
  ['503 with a Retry-After that is below nothing', http(503, 'x', '-1000000')],
  ['503 with a Retry-After that is no number', http(503, 'x', 'NaN')],
  ['503 with a Retry-After in another notation', http(503, 'x', '1e9')],
];

test.each(BUSY)(
  '%s: the same server is asked until it is free, and that is said once',
  async (_what, behaviour) => {
    for (const order of [BACKENDS, [...BACKENDS].reverse()]) {
      const standIn = await standInFor({ behave: inTurn(...Array<Behaviour>(5).fill(behaviour)) });
      const lines: string[] = [];
      const settings = settingsFor(standIn, { order, ...QUICK, log: (line) => lines.push(line) });
      const outcome = await answerTo({ prompt: '20+3' }, settings);
      expect(outcome).toMatchObject({ answer: '23', error: null, backend: order[0], attempts: 6 });
      expect(standIn.requests.some((request) => request.path === CHAT_PATH[order[1] ?? 'ollama'])).toBe(
        false,
      );
      expect(lines).toEqual([expect.stringMatching(/: HTTP \d{3}.*; asking again for 60 s$/)]);
    }
  },
);

test.each(BUSY)('%s, for ever: an error once the retry window is over', async (_what, behaviour) => {
  const standIn = await standInFor({ behave: () => behaviour });
  const lines: string[] = [];
  const settings = settingsFor(standIn, {
    retryWindowMs: 500,
    retryDelayMs: 5,
    log: (line) => lines.push(line),
  });
  const outcome = await answerTo({ prompt: '2+2' }, settings);
  expect(outcome).toMatchObject({ answer: null, backend: 'ollama', error: { code: 'backend_error' } });
  expect(outcome.error?.message).toMatch(/HTTP \d{3}.*, for 500 ms$/);
  expect(outcome.attempts).toBe(chatBodies(standIn).length);
  // More than once, on the slowest machine too: the last time is at the end of the window.
  expect(chatBodies(standIn).length).toBeGreaterThan(1);
  expect(lines).toHaveLength(1);
});

test('a server that is busy beyond the deadline of the task is an error that says so', async () => {
  const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'busy' } }) });
  const task = { prompt: '2+2', timeout_s: 4 };
  const waiting = await answerTo(task, settingsFor(standIn, { ...QUICK, retryDelayMs: 60_000 }));
  expect(waiting.error).toMatchObject({ code: 'backend_error', message: expect.stringMatching(/HTTP 503/) });

  standIn.behave = inTurn({ refuse: { kind: 'busy' } }, { firstTokenAfter: new Promise(() => {}) });
  const asking = await answerTo(task, settingsFor(standIn, QUICK));
  expect(asking).toMatchObject({ error: { code: 'timeout' }, attempts: 2 });
  expect(asking.error?.message).toMatch(/^no complete answer .*; before that .*HTTP 503/);
});

test('an agent that is to end waits for no busy server', async () => {
  const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'busy' } }) });
  const controller = new AbortController();
  const log = () => controller.abort(new Error('stop now'));
  const settings = settingsFor(standIn, { retryWindowMs: 600_000, retryDelayMs: 60_000, log });
  await expect(generateAnswer({ prompt: '2+2' }, settings, controller.signal, () => {})).rejects.toThrow(
    'stop now',
  );
});

test.each([
  ['seconds', '1'],
  ['a date', new Date(Date.now() + 3_600_000).toUTCString()],
  ['a number without end', '999999999999999'],
])('Retry-After in %s is waited for, but not past the end of the retry window', async (_what, retryAfter) => {
  const standIn = await standInFor({ behave: () => ({ refuse: { kind: 'busy', retryAfter } }) });
  const settings = settingsFor(standIn, { retryWindowMs: 300, retryDelayMs: 1 });
  const startedAtMs = performance.now();
  const outcome = await answerTo({ prompt: '2+2' }, settings);
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(299);
  // At the beginning, and once more at the end; a timer may ring a moment early.
  expect(chatBodies(standIn).length).toBeLessThanOrEqual(3);
  expect(outcome.error?.message).toMatch(/, for 300 ms$/);
});

test.each([
  ['busy', { refuse: { kind: 'busy', retryAfter: '1' } }],
  ['broken', http(504, 'upstream timed out', '1')],
] satisfies [string, Behaviour][])('a %s server that asks for a second gets it', async (_what, behaviour) => {
  const standIn = await standInFor({ behave: inTurn(behaviour) });
  const startedAtMs = performance.now();
  const outcome = await answerTo({ prompt: '2+2' }, settingsFor(standIn, QUICK));
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(999);
  expect(outcome).toMatchObject({ answer: '4', attempts: 2 });
});

const FINAL: readonly (readonly [string, Behaviour])[] = [
  ['a model that does not fit into memory', { refuse: { kind: 'out-of-memory' } }],
  ['a model that does not fit, told with a status that passes', http(503, 'CUDA error: out of memory')],
  [
    'a model that does not fit, told in a stream',
    { fault: { afterChunks: 0, kind: 'error', message: 'out of memory' } },
  ],
  ['an unknown model', { refuse: { kind: 'model-missing' } }],
  ['a prompt that is too long', { refuse: { kind: 'context-overflow' } }],
  ['a bad request', http(400, 'invalid options: temperature')],
  ['an error without a reason', http(500, 'internal error')],
  ['a key that is not taken', http(401, 'unauthorized')],
];

test.each(FINAL)('%s is an error at once', async (_what, behaviour) => {
  for (const backend of BACKENDS) {
    const standIn = await standInFor({ behave: () => behaviour });
    const outcome = await answerTo({ prompt: '2+2', backend }, settingsFor(standIn, QUICK));
    expect(outcome.error).not.toBeNull();
    expect(outcome).not.toHaveProperty('attempts');
    expect(chatBodies(standIn)).toHaveLength(1);
  }
});

test('a list of models that is busy is asked for again, too', async () => {
  let left = 2;
  const server = createServer((request, response) => {
    if (request.url === '/api/tags' && left-- > 0)
      return void response.writeHead(503).end('{"error":"busy"}');
    response.end(request.url === '/api/tags' ? '{"models":[{"name":"m"}]}' : CHAT_LINE);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => void server.close());
  const standIn = await standInFor();
  const ollamaUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const outcome = await answerTo({ prompt: '2+2' }, settingsFor(standIn, { ...QUICK, ollamaUrl }));
  expect(outcome).toMatchObject({ answer: '4', model: 'm', attempts: 3 });
});

test('an error of a megabyte is a bounded message, whether it passes or not', async () => {
  const text = 'server busy, timed out waiting for '.repeat(30_000);
  for (const status of [400, 503]) {
    const standIn = await standInFor({ behave: () => http(status, text) });
    const settings = settingsFor(standIn, { retryWindowMs: 50, retryDelayMs: 20 });
    const outcome = await answerTo({ prompt: '2+2' }, settings);
    expect(outcome.error?.message.length).toBeLessThanOrEqual(1000);
  }
});

test('a server that lacks the model was not given the task, so that is no attempt', async () => {
  const standIn = await standInFor({ models: { ollama: ['one'], lmstudio: ['two'] } });
  const outcome = await answerTo({ prompt: '2+2', model: 'two' }, settingsFor(standIn, QUICK));
  expect(outcome).toMatchObject({ answer: '4', backend: 'lmstudio' });
  expect(outcome).not.toHaveProperty('attempts');
});

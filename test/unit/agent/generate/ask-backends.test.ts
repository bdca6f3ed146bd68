import { expect, test } from 'vitest';
import { freePort } from '../../../../src/demo/free-port.js';
import type { Behaviour } from '../../../../src/demo/stand-in/stand-in-request.js';
import { startStandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import {
  answerTo,
  BACKENDS,
  CHAT_PATH,
  chatBodies,
  deadUrl,
  MODEL,
  settingsFor,
  standInFor,
} from '../generate-fixture.js';

test('the first backend of the order answers, whichever that is', async () => {
  const standIn = await standInFor();
  const first = await answerTo({ prompt: '2+2' }, settingsFor(standIn, { order: ['ollama', 'lmstudio'] }));
  const second = await answerTo({ prompt: '2+2' }, settingsFor(standIn, { order: ['lmstudio', 'ollama'] }));
  expect([first.backend, second.backend]).toEqual(['ollama', 'lmstudio']);
});

test('an unreachable ollama is answered for by LM Studio, and the log says so', async () => {
  const standIn = await standInFor();
  const lines: string[] = [];
  const settings = settingsFor(standIn, { ollamaUrl: await deadUrl(), log: (line) => lines.push(line) });
  expect(await answerTo({ prompt: '2+2' }, settings)).toMatchObject({ answer: '4', backend: 'lmstudio' });
  expect(lines).toEqual([
    `ollama at ${settings.ollamaUrl}: cannot be reached (ECONNREFUSED); lmstudio answered`,
  ]);
});

test('an unreachable LM Studio is answered for by ollama', async () => {
  const standIn = await standInFor();
  const settings = settingsFor(standIn, { order: ['lmstudio', 'ollama'], lmstudioUrl: await deadUrl() });
  expect(await answerTo({ prompt: '2+2' }, settings)).toMatchObject({ answer: '4', backend: 'ollama' });
});

test("a task's backend is the only one asked, unreachable or not", async () => {
  const standIn = await standInFor();
  const url = await deadUrl();
  const settings = settingsFor(standIn, { ollamaUrl: url });
  const outcome = await answerTo({ prompt: '2+2', backend: 'ollama' }, settings);
  expect(outcome).toEqual({
    model: null,
    backend: null,
    answer: null,
    error: { code: 'backend_unreachable', message: `ollama at ${url}: cannot be reached (ECONNREFUSED)` },
  });
  expect(standIn.requests).toEqual([]);
});

const FAILURES: readonly (readonly [string, Behaviour])[] = [
  ['an error in the stream', { fault: { afterChunks: 1, kind: 'error', message: 'out of memory' } }],
  ['an HTTP 500', { refuse: { kind: 'http', status: 500, body: '{"error":"internal error"}' } }],
  ['a missing model', { refuse: { kind: 'model-missing' } }],
  ['an empty answer', { answer: '' }],
];
test.each(FAILURES)('%s does not move the task to the other backend', async (_what, behaviour) => {
  for (const order of [BACKENDS, [...BACKENDS].reverse()]) {
    const standIn = await standInFor({ behave: () => behaviour });
    const outcome = await answerTo(
      { prompt: 'one two three' },
      settingsFor(standIn, { order, retryWindowMs: 60_000 }),
    );
    expect(outcome.answer).toBeNull();
    expect(outcome.error?.code).not.toBe('backend_unreachable');
    expect(chatBodies(standIn)).toHaveLength(1);
    expect(standIn.requests.some((request) => request.path === CHAT_PATH[order[1] ?? 'ollama'])).toBe(false);
  }
});

test('no reachable backend is an error that names every address, once the retry window is over', async () => {
  const standIn = await standInFor();
  const [ollamaUrl, lmstudioUrl] = [await deadUrl(), `${await deadUrl()}/v1`];
  const lines: string[] = [];
  const settings = settingsFor(standIn, {
    ollamaUrl,
    lmstudioUrl,
    retryWindowMs: 100,
    retryDelayMs: 5,
    log: (line) => lines.push(line),
  });
  const startedAtMs = performance.now();
  const { error, model, backend } = await answerTo({ prompt: '2+2', model: MODEL.ollama }, settings);
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(100);
  expect({ error, model, backend }).toEqual({
    model: null,
    backend: null,
    error: {
      code: 'backend_unreachable',
      message: `ollama at ${ollamaUrl}: cannot be reached (ECONNREFUSED); lmstudio at ${lmstudioUrl}: cannot be reached (ECONNREFUSED)`,
    },
  });
  expect(lines).toEqual([`${error?.message}; trying again for 100 ms`]);
});

test('a backend that comes up within the retry window gets the task', async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = () => {
    startStandIn({ port }).then((late) => onCleanup(() => late.close()));
  };
  const settings = {
    order: BACKENDS,
    ollamaUrl: url,
    lmstudioUrl: url,
    idleTimeoutMs: 60_000,
    totalTimeoutMs: 60_000,
    retryWindowMs: 30_000,
    retryDelayMs: 5,
    log,
  };
  expect(await answerTo({ prompt: '2+2' }, settings)).toMatchObject({ answer: '4', error: null });
});

test('the total deadline ends the retry window early, and the error says what was wrong', async () => {
  const standIn = await standInFor();
  const url = await deadUrl();
  const settings = settingsFor(standIn, {
    ollamaUrl: url,
    lmstudioUrl: url,
    retryWindowMs: 600_000,
    retryDelayMs: 60_000,
  });
  const { error } = await answerTo({ prompt: '2+2', timeout_s: 1.5 }, settings);
  expect(error?.code).toBe('backend_unreachable');
});

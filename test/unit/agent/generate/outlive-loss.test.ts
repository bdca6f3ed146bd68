import { expect, test } from 'vitest';
import { type Behaviour, inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import { startStandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import {
  answerTo,
  BACKENDS,
  CHAT_PATH,
  chatBodies,
  freePort,
  settingsFor,
  standInFor,
} from '../generate-fixture.js';

const QUICK = { retryWindowMs: 60_000, retryDelayMs: 5 };

const LOSSES: readonly (readonly [string, Behaviour])[] = [
  ['a stream that dies', { fault: { afterChunks: 1, kind: 'die' } }],
  ['a stream that ends too soon', { fault: { afterChunks: 1, kind: 'end' } }],
  ['a connection that dies before the first byte', { fault: { afterChunks: 0, kind: 'die' } }],
];

test.each(LOSSES)('%s gives the same server the task again, from the beginning', async (_what, behaviour) => {
  for (const order of [BACKENDS, [...BACKENDS].reverse()]) {
    const standIn = await standInFor({ behave: inTurn(behaviour, behaviour) });
    const lines: string[] = [];
    const settings = settingsFor(standIn, { order, ...QUICK, log: (line) => lines.push(line) });
    const outcome = await answerTo({ prompt: '20+3' }, settings);
    expect(outcome).toMatchObject({ answer: '23', error: null, backend: order[0] });
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

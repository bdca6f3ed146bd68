import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { openGateway } from '../../../src/gateway/serve.js';
import type { Answer } from '../../../src/protocol/answer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';
import { startCalls } from './calls-fixture.js';

/**
 * A PC that sleeps for longer than a call waits: six minutes of the 240 s are one wait and a half, and so is
 * it here. The official clients are as they are published, with their default retries.
 */
const WAIT_MS = 400;

async function startGateway() {
  const { bridge, answer, subjects } = await startCalls();
  const gateway = await openGateway({
    ...{ access: { repo: bridge.gitDir, env: bridge.env }, listen: { host: '127.0.0.1', port: 0 } },
    ...{ waitMs: WAIT_MS, lingerMs: 60_000, aliases: new Map(), allowedHosts: [], corsOrigins: [] },
    say: () => {},
  });
  onCleanup(() => gateway.close());
  /** The status of each try, in order. */
  const tries: number[] = [];
  const counted: typeof fetch = async (...call) => {
    const response = await fetch(...call);
    tries.push(response.status);
    return response;
  };
  /** The PC wakes when the first wait is over, and answers the one task that it finds. */
  const wake = async (body: unknown) => {
    await waitUntil(() => tries.length === 1, 'the first wait is over');
    const task = await bridge.git(['log', '--format=%H', '-1', '--grep=^ask: ', 'main']);
    await answer(task, { answer: '4', response: { status: 200, body } } satisfies Partial<Answer>);
    return task;
  };
  return { url: gateway.url, counted, tries, wake, subjects };
}

const MESSAGE = {
  ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_reason: 'end_turn' },
  ...{ content: [{ type: 'text', text: '4' }], stop_sequence: null },
  usage: { input_tokens: 1, output_tokens: 1 },
};

const COMPLETION = {
  ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
  choices: [{ index: 0, message: { role: 'assistant', content: '4' }, finish_reason: 'stop' }],
};

test('a PC that sleeps for longer than a call waits: OpenAI’s client gets the one answer to its one task', async () => {
  const { url, counted, tries, wake, subjects } = await startGateway();
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', fetch: counted });
  const asking = client.chat.completions
    .create({ model: 'm', messages: [{ role: 'user', content: '2+2' }] })
    .withResponse();
  const task = await wake(COMPLETION);
  const { data, response } = await asking;
  expect(data).toEqual(COMPLETION);
  expect(response.headers.get('x-llm-bridge-task')).toBe(task);
  expect(tries).toEqual([503, 200]);
  expect(await subjects()).toEqual(['ask: 2+2', expect.stringMatching(/^answer /)]);
});

test('and so does Anthropic’s', async () => {
  const { url, counted, tries, wake, subjects } = await startGateway();
  const client = new Anthropic({ baseURL: url, apiKey: 'any', fetch: counted });
  const asking = client.messages
    .create({ model: 'm', max_tokens: 10, messages: [{ role: 'user', content: '2+2' }] })
    .withResponse();
  const task = await wake(MESSAGE);
  const { data, response } = await asking;
  expect(data).toMatchObject(MESSAGE);
  expect(response.headers.get('x-llm-bridge-task')).toBe(task);
  expect(tries).toEqual([503, 200]);
  expect(await subjects()).toEqual(['ask: 2+2', expect.stringMatching(/^answer /)]);
});

import { setTimeout as delay } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import type { StandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { gate } from '../../support/bridge-agent.js';
import { startGatewayFixture } from '../../support/gateway-fixture.js';
import { gitOk } from '../../support/git.js';
import { IS_FULL_LENGTH } from '../../support/test-length.js';
import { waitUntil } from '../../support/wait-until.js';

/**
 * The PC sleeps for six minutes, and a call waits for four: `npm run test:slow` takes these times. The suite
 * has a PC that wakes as soon as the first wait is over.
 */
const WAIT_MS = IS_FULL_LENGTH ? 240_000 : 2_500;
const SLEEP_MS = IS_FULL_LENGTH ? 360_000 : 0;

/** How the official clients ask, with their default retries. Each returns the text of the answer. */
const CLIENTS = {
  OpenAI: async (url: string, counted: typeof fetch) => {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', fetch: counted });
    const messages = [{ role: 'user' as const, content: '2+2' }];
    const { data, response } = await client.chat.completions
      .create({ model: 'llama3.2', messages })
      .withResponse();
    return { text: data.choices[0]?.message.content, task: response.headers.get('x-llm-bridge-task') };
  },
  Anthropic: async (url: string, counted: typeof fetch) => {
    const client = new Anthropic({ baseURL: url, apiKey: 'any', fetch: counted });
    const messages = [{ role: 'user' as const, content: '2+2' }];
    const { data, response } = await client.messages
      .create({ model: 'llama3.2', max_tokens: 10, messages })
      .withResponse();
    const [block] = data.content;
    return {
      text: block?.type === 'text' ? block.text : null,
      task: response.headers.get('x-llm-bridge-task'),
    };
  },
};

/** What the model was asked, by either API. */
function generations({ requests }: StandIn) {
  return requests.filter(({ path }) => ['/v1/chat/completions', '/v1/messages'].includes(path));
}

test.each(['OpenAI', 'Anthropic'] as const)(
  'a PC that sleeps for longer than a call waits: one generation, and the client of %s has its one answer',
  async (name) => {
    const said = gate();
    const { url, standIn, bridge, startAgent } = await startGatewayFixture({
      withAgent: false,
      gateway: { waitMs: WAIT_MS },
      standIn: { behave: () => ({ answer: 'four', firstTokenAfter: said.opened }) },
    });
    let sent = 0;
    const statuses: number[] = [];
    const counted: typeof fetch = async (...call) => {
      sent += 1;
      const response = await fetch(...call);
      statuses.push(response.status);
      return response;
    };
    const startedAtMs = performance.now();
    const asking = CLIENTS[name](url, counted);
    asking.catch(() => {});
    await waitUntil(() => statuses.length === 1, 'the first wait is over', WAIT_MS + 60_000);
    expect(statuses).toEqual([503]);
    await delay(Math.max(0, SLEEP_MS - (performance.now() - startedAtMs)));
    startAgent();
    await waitUntil(
      () => generations(standIn).length === 1 && sent > 1,
      'the model is asked, the client is back',
    );
    said.open();
    const { text, task } = await asking;
    expect(text).toBe('four');
    // On a slow machine the model is asked later, and the client tries once more.
    expect(statuses.at(-1)).toBe(200);
    expect(statuses.slice(0, -1).every((status) => status === 503)).toBe(true);
    expect(generations(standIn)).toHaveLength(1);
    const main = await gitOk(['log', '--reverse', '--format=%H %s', 'main'], {
      gitDir: bridge.repoPath,
      env: bridge.env,
    });
    const subjects = main.trim().split('\n').slice(1);
    expect(subjects).toEqual([`${task} ask: 2+2`, expect.stringMatching(/^\w+ answer \w+: four /)]);
  },
  SLEEP_MS + WAIT_MS + 120_000,
);

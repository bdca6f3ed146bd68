import OpenAI from 'openai';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BridgeAccess } from '../../src/bridge/connection.js';
import { freePort } from '../../src/demo/free-port.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type Gateway, type GatewayOptions, openGateway } from '../../src/gateway/open-gateway.js';
import { startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, questionsOf, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { type RunningCli, startCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

/** How many clients at once are heard live. */
const MANY = 20;

let bridge: BridgeFixture;
let standIn: StandIn;
let agent: RunningCli;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here', sshdConfig: ['MaxSessions 8'] });
  await gitOk(['config', 'bridge.claimLease', '4s'], { gitDir: bridge.repoPath, env: bridge.ownerEnv });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  // On the server itself its streams are files: over ssh it has sessions for four.
  agent = await startAgent(bridge, standIn, {
    ...{ state: 'here', repo: bridge.repoPath, args: ['--parallel', String(MANY), '--name', 'here'] },
  });
  await agent.waitFor('stderr', /connected to/);
});

beforeEach(() => {
  standIn.behave = () => ({});
});

/** Where a gateway is: beside the bridge, or anywhere with an asker's key. */
const PLACES = ['beside the bridge', 'over ssh'] as const;

function accessOf(place: (typeof PLACES)[number]): BridgeAccess {
  return place === 'over ssh'
    ? { repo: bridge.sshUrl, env: bridge.principal('bot').env }
    : { repo: bridge.repoPath, env: bridge.ownerEnv };
}

async function open(
  place: (typeof PLACES)[number],
  more: Partial<GatewayOptions> = {},
): Promise<Gateway & { readonly client: OpenAI }> {
  const gateway = await openGateway({
    bridges: [{ name: 'bridge', access: accessOf(place) }],
    ...{ listen: { host: '127.0.0.1', port: 0 }, aliases: new Map() },
    ...{ waitMs: 60_000, lingerMs: 60_000, allowedHosts: [], corsOrigins: [], say: () => {} },
    ...more,
  });
  onCleanup(() => gateway.close());
  return { ...gateway, client: clientOf(gateway.url) };
}

function clientOf(url: string, maxRetries = 0): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries });
}

const asked = (content: string) => ({ model: 'llama3.2', messages: [{ role: 'user' as const, content }] });

/** What a client hears, as it hears it. */
function hear(client: OpenAI, question: string) {
  const heard = { text: '', isOver: false, error: null as Error | null };
  const done = (async () => {
    try {
      for await (const { choices } of await client.chat.completions.create({
        ...asked(question),
        stream: true,
      }))
        heard.text += choices[0]?.delta.content ?? '';
    } catch (error) {
      heard.error = error as Error;
    }
    heard.isOver = true;
  })();
  return { heard, done };
}

async function subjects(): Promise<string[]> {
  return await bridge.gitLog('%s');
}

describe.each(PLACES)('%s', (place) => {
  test('the first words are with the client long before the last ones are said', async () => {
    const rest = gate();
    standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 2, until: rest.opened } });
    const { client } = await open(place);
    const { heard, done } = hear(client, `live ${place}`);
    await waitUntil(() => heard.text.startsWith('one two'), 'the first words');
    expect(heard.isOver).toBe(false);
    rest.open();
    await done;
    expect(heard).toEqual({ text: 'one two three', isOver: true, error: null });
  });

  test(`${MANY} clients at once hear their own answers while they are said`, async () => {
    const rest = gate();
    standIn.behave = ({ question }) => ({
      answer: `to ${question}: one two three`,
      pause: { afterChunks: 3, until: rest.opened },
    });
    const { client } = await open(place);
    const questions = Array.from({ length: MANY }, (_, at) => `many-${place.length}-${at}`);
    const all = questions.map((question) => hear(client, question));
    const isLive = () => all.every(({ heard }, at) => heard.text.startsWith(`to ${questions[at]}: `));
    await waitUntil(isLive, 'all of them hear something', 120_000);
    expect(all.some(({ heard }) => heard.isOver)).toBe(false);
    rest.open();
    await Promise.all(all.map(({ done }) => done));
    for (const [at, { heard }] of all.entries())
      expect(heard).toEqual({ text: `to ${questions[at]}: one two three`, isOver: true, error: null });
  });

  test('whose last client has left is cancelled, and its model stops', async () => {
    const rest = gate();
    standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 2, until: rest.opened } });
    const { client } = await open(place, { lingerMs: 200 });
    const leaving = new AbortController();
    const before = chatsOf(standIn).length;
    const call = client.chat.completions.create(asked(`left ${place}`), { signal: leaving.signal });
    const chat = await waitUntil(() => chatsOf(standIn)[before], 'the model is asked');
    leaving.abort();
    await expect(call).rejects.toThrow('aborted');
    expect(await chat.ended).toBe('lost');
    const isCancelled = async () =>
      (await subjects()).some((one) => /^cancel \w+: nobody waits for it any more$/.test(one));
    await waitUntil(isCancelled, 'the cancel is in the record');
  });
});

test('a gateway that is killed in the middle finds its answers again: one task, one generation', async () => {
  const rest = gate();
  standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 2, until: rest.opened } });
  const serve = async (listen: string) => {
    const { repo, env } = accessOf('over ssh');
    const running = await startCli(['serve', '--repo', repo, '--listen', listen], { env });
    const [, url = ''] = await running.waitFor('stderr', /listening on (http:\/\/127\.0\.0\.1:\d+)/);
    return { ...running, url };
  };
  const address = `127.0.0.1:${await freePort()}`;
  const first = await serve(address);
  const before = chatsOf(standIn).length;
  const broken = clientOf(first.url).chat.completions.create(asked('killed gateway'));
  broken.catch(() => {});
  await waitUntil(() => chatsOf(standIn).length > before, 'the model is asked');
  first.signal('SIGKILL');
  await expect(broken).rejects.toThrow();
  rest.open();
  const answers = async () => (await subjects()).filter((one) => one.startsWith('answer')).length;
  const known = await answers();
  // On the address that it had: by it the gateway knows its own tasks.
  const again = await serve(address);
  const answer = await clientOf(again.url).chat.completions.create(asked('killed gateway'));
  expect(answer.choices[0]?.message.content).toBe('one two three');
  expect(questionsOf(standIn).filter((one) => one === 'killed gateway')).toHaveLength(1);
  expect((await subjects()).filter((one) => one === 'ask: killed gateway')).toHaveLength(1);
  expect(await answers()).toBeGreaterThanOrEqual(known);
});

test('where the agent dies while it speaks, a stream says so, and the same call then has the answer', async () => {
  const rest = gate();
  standIn.behave = () => ({ answer: 'one two three', pause: { afterChunks: 2, until: rest.opened } });
  const { client } = await open('beside the bridge');
  const { heard, done } = hear(client, 'dying agent');
  await waitUntil(() => heard.text.startsWith('one two'), 'the first words');
  agent.signal('SIGKILL');
  await agent.exited;
  standIn.behave = () => ({ answer: 'four five six' });
  const other = await startAgentHere(bridge, standIn, { state: 'other' });
  await other.waitFor('stderr', /connected to/);
  await done;
  expect(heard.error?.message).toMatch(/began the task [0-9a-f]{12} again/);
  const found = await client.chat.completions.create({ ...asked('dying agent'), stream: true });
  let text = '';
  for await (const { choices } of found) text += choices[0]?.delta.content ?? '';
  expect(text).toBe('four five six');
  expect((await subjects()).filter((one) => one === 'ask: dying agent')).toHaveLength(1);
});

import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/demo/free-port.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type Gateway, openGateway } from '../../src/gateway/open-gateway.js';
import { startAgentHere } from '../support/agent-here.js';
import { gate, questionsOf } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { startCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { onCleanup } from '../support/on-cleanup.js';
import { byWayOf, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { waitUntil } from '../support/wait-until.js';

/** Over a whole ssh connection, logging in included. */
const FEW_BYTES = 200_000;

/** Longer than what a clone of an asker leaves out, and of no pattern that could be packed away. */
const LONG = randomBytes(150_000).toString('hex');

let bridge: BridgeFixture;
let standIn: StandIn;
let proxy: TcpProxy;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  proxy = await startTcpProxy(bridge.sshd.port);
  await photo(1_500_000);
  await startAgentHere(bridge, standIn, { state: 'one', parallel: 4 });
});

/** Somebody else asks about a photo. It is a task that is longer by a third. */
async function photo(bytes = 400_000): Promise<string> {
  const image = randomBytes(bytes).toString('base64');
  const task = { id: randomUUID(), prompt: 'What is this?', images: [image], metadata: { chat: '7' } };
  const content = JSON.stringify(task);
  const isOnMain = () => commitOnMain(bridge, { path: 'task.json', content }).catch(() => null);
  // The agent may answer another one at that moment.
  return await waitUntil(isOnMain, 'the photo on main', 60_000);
}

/** By the proxy, with the key of the bot. */
const way = () => byWayOf(proxy, bridge, 'bot');
const access = () => ({ repo: way().repo, env: { ...bridge.principal('bot').env, ...way().env } });
const bot = (...args: string[]) => {
  const { repo, env } = access();
  return runCliHere([...args, '--repo', repo], { env });
};

/** What passes between client and server while something is done. */
async function bytesOf<T>(work: () => Promise<T>): Promise<{ readonly bytes: number; readonly value: T }> {
  const before = proxy.bytes();
  const value = await work();
  return { bytes: proxy.bytes() - before, value };
}

test('an ask, its answer later, a reply and the list of tasks move no photo of somebody else', async () => {
  const asked = await bytesOf(() => bot('ask', '2+2', '--json'));
  expect(asked.value).toMatchObject({ exitCode: 0, stderr: '' });
  const { task_commit: id, answer } = JSON.parse(asked.value.stdout);
  expect(answer).toBe('4');
  expect(asked.bytes).toBeLessThan(FEW_BYTES);
  await photo();
  for (const args of [
    ['answer', id],
    ['ask', '3+3', '--reply-to', id],
    ['list'],
    ['cancel', id],
    ['models'],
  ]) {
    const { bytes, value } = await bytesOf(() => bot(...args));
    if (args[0] !== 'cancel') expect(value).toMatchObject({ exitCode: 0, stderr: '' });
    if (args[0] === 'answer') expect(value.stdout).toBe('4\n');
    expect(bytes, args.join(' ')).toBeLessThan(FEW_BYTES);
  }
});

test('the log, its figures, and who wakes a PC move none either, but for the metadata of the one that is asked for', async () => {
  const last = await photo();
  const isLogged = async () => (await bridge.answersLog()).some(({ task_commit }) => task_commit === last);
  await waitUntil(isLogged, 'an answer to the photo');
  for (const args of [['log'], ['log', '-n', '3'], ['log', '--grep', 'what is'], ['stats']]) {
    const { bytes, value } = await bytesOf(() => bot(...args));
    expect(value).toMatchObject({ exitCode: 0, stderr: '' });
    if (args[0] === 'log') expect(value.stdout, args.join(' ')).toContain('What is this?');
    expect(bytes, args.join(' ')).toBeLessThan(FEW_BYTES);
  }
  const json = await bytesOf(() => bot('log', '--json', '-n', '1'));
  expect(JSON.parse(json.value.stdout)).toMatchObject({ task_commit: last, metadata: { chat: '7' } });
  // Its own photo, and none of those behind it.
  expect(json.bytes).toBeLessThan(700_000);

  const { repo, env } = byWayOf(proxy, bridge, 'home-pc');
  const woken = await bytesOf(async () => {
    const args = ['wake', '--command', 'true', '--repo', repo];
    const wake = await startCli(args, { env: { ...bridge.principal('home-pc').env, ...env } });
    await wake.waitFor('stderr', /watching ssh:/);
    wake.signal('SIGTERM');
    await wake.exited;
  });
  expect(woken.bytes).toBeLessThan(FEW_BYTES);
});

test('nor does one that comes while an ask waits for its answer', async () => {
  const held = gate();
  standIn.behave = ({ question }) => (question.includes('5+5') ? { firstTokenAfter: held.opened } : {});
  const { bytes, value } = await bytesOf(async () => {
    const { repo, env } = access();
    const asking = await startCli(['ask', '5+5', '--repo', repo], { env });
    await waitUntil(() => questionsOf(standIn).includes('5+5'), 'the question at the model', 60_000);
    for (let photos = 0; photos < 2; photos++) await photo();
    held.open();
    await asking.exited;
    return asking.stdout();
  });
  expect(value).toBe('10\n');
  expect(bytes).toBeLessThan(FEW_BYTES);
});

test('a gateway over ssh moves none', async () => {
  await bytesOf(async () => {
    const gateway = await open();
    expect(await chat(gateway.url, '8+8')).toBe('16');
    await photo();
    expect(await chat(gateway.url, '9+9')).toBe('18');
    await gateway.close();
  }).then(({ bytes }) => expect(bytes).toBeLessThan(FEW_BYTES));
});

test('a long answer comes whole: to who asks, to who asks for it later, and through a gateway', async () => {
  standIn.behave = ({ question }) =>
    question.includes('a long story') ? { answer: LONG, pieceChars: 4_000 } : {};
  const asked = await bot('ask', 'tell me a long story', '--json');
  expect(JSON.parse(asked.stdout).answer).toBe(LONG);
  await photo();
  await bot('ask', '4+4');
  const later = await bot('answer', JSON.parse(asked.stdout).task_commit);
  expect(later).toEqual({ exitCode: 0, stdout: `${LONG}\n`, stderr: '' });
  expect((await bot('log', '-n', '4')).stdout).toContain(LONG);

  const port = await freePort();
  const first = await open(port);
  expect(await chat(first.url, 'a long story for a gateway')).toBe(LONG);
  // The page searches it, and it counts.
  const found = await fetch(`${first.url}/page/search?q=${LONG.slice(0, 40)}`);
  expect((await found.json()) as unknown[]).toHaveLength(2);
  expect(await (await fetch(`${first.url}/metrics`)).text()).toMatch(
    /tasks_answered_total\{[^}]*outcome="answered"[^}]*\} 1\n/,
  );
  await first.close();
  // Started again at the same address it finds its own task, of which the answer is there.
  const second = await open(port);
  const before = questionsOf(standIn).length;
  expect(await chat(second.url, 'a long story for a gateway')).toBe(LONG);
  expect(questionsOf(standIn)).toHaveLength(before);
  await second.close();
});

/** A gateway over ssh, in this process. */
async function open(port = 0): Promise<Gateway> {
  const gateway = await openGateway({
    bridges: [{ name: 'bridge', access: access() }],
    ...{ listen: { host: '127.0.0.1', port }, waitMs: 120_000, lingerMs: 60_000 },
    ...{ aliases: new Map(), allowedHosts: [], corsOrigins: [], say: () => {} },
  });
  onCleanup(() => gateway.close());
  return gateway;
}

async function chat(url: string, content: string): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content }] }),
  });
  const body = (await response.json()) as { choices: [{ message: { content: string } }] };
  return body.choices[0].message.content;
}

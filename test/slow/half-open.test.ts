import { beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, gate, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { onCleanup } from '../support/on-cleanup.js';
import { byWayOf, startTcpProxy } from '../support/tcp-proxy.js';
import { waitUntil } from '../support/wait-until.js';

/** A dead network has to be noticed within so long; milliseconds. */
const NOTICED_MS = 45_000;

let bridge: BridgeFixture;
let standIn: StandIn;

beforeEach(async () => {
  bridge = await startBridgeFixture({ principals: [{ name: 'home-pc', role: 'agent' }] });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

const task = (question: string) => commitOnMain(bridge, { path: 'task.txt', content: question });
const logged = (count: number) =>
  waitUntil(async () => (await bridge.answersLog()).length >= count, `${count} answers`, 120_000);

test('a doorbell whose connection went dead without a word is noticed within 45 s', async () => {
  const proxy = await startTcpProxy(bridge.sshd.port);
  const agent = await startAgent(bridge, standIn, { state: 'one', ...byWayOf(proxy, bridge, 'home-pc') });
  await task('1+1');
  await logged(1);
  for (const connection of proxy.connections) connection.freeze();
  const frozenAt = performance.now();
  await task('1+2');
  // The look that an agent has every minute would be too late.
  await logged(2);
  expect(performance.now() - frozenAt).toBeLessThan(NOTICED_MS);
  agent.signal('SIGTERM');
  await agent.exited;
});

test.each(['a fetch', 'a push'])(
  '%s whose connection goes dead without a word is noticed within 45 s, and made again',
  async (what) => {
    const held = gate();
    standIn.behave = () => ({ firstTokenAfter: held.opened });
    const proxy = await startTcpProxy(bridge.sshd.port);
    await task('1+2');
    const way = byWayOf(proxy, bridge, 'home-pc');
    const agent = await startAgent(bridge, standIn, { state: 'one', args: ['--once'], ...way });
    // It is said just before the first fetch; and a model that is asked is what a push comes after.
    if (what === 'a fetch') await agent.waitFor('stderr', /connected to/);
    else await waitUntil(() => chatsOf(standIn).length === 1, 'the question at the model server');
    const before = proxy.connections.length;
    for (const connection of proxy.connections) connection.freeze();
    const frozenAt = performance.now();
    held.open();
    await waitUntil(() => proxy.connections.length > before, 'a new connection', 120_000);
    expect(performance.now() - frozenAt).toBeGreaterThan(20_000);
    expect(performance.now() - frozenAt).toBeLessThan(NOTICED_MS);
    expect(await agent.exited).toMatchObject({ exitCode: 0 });
    expect((await bridge.answersLog()).map((record) => record.answer)).toEqual(['3']);
    expect(chatsOf(standIn)).toHaveLength(1);
  },
);

import { beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, startAgent } from '../support/bridge-agent.js';
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

// With --once there is no doorbell: the first connection is bridge-hello, the second the fetch, the third the push.
test.each([
  ['a fetch', 2],
  ['a push', 3],
])(
  '%s whose connection goes dead in the middle is noticed within 45 s, and made again',
  async (_what, number) => {
    const measured = await startTcpProxy(bridge.sshd.port);
    const through = (proxy: typeof measured, state: string) =>
      startAgent(bridge, standIn, { state, args: ['--once'], ...byWayOf(proxy, bridge, 'home-pc') });
    await task('1+1');
    expect(await (await through(measured, 'measured')).exited).toMatchObject({ exitCode: 0 });
    const bytes = measured.connections[number - 1]?.bytes() ?? 0;

    await task('1+2');
    const proxy = await startTcpProxy(bridge.sshd.port);
    const frozen = proxy.freezeAt(number, bytes - 150);
    const agent = await through(proxy, 'one');
    await frozen;
    const frozenAt = performance.now();
    await agent.waitFor('stderr', /warn: .*; trying again until it works/, 120_000);
    expect(performance.now() - frozenAt).toBeLessThan(NOTICED_MS);
    expect(await agent.exited).toMatchObject({ exitCode: 0 });
    expect((await bridge.answersLog()).map((record) => record.answer)).toEqual(['2', '3']);
    expect(chatsOf(standIn)).toHaveLength(2);
  },
);

import { beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, gate, runAgentOnce, runAgentOnceHere, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { cleanEnv } from '../support/clean-env.js';
import type { RunningCli } from '../support/cli.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { freezeTree } from '../support/freeze-tree.js';
import { onCleanup } from '../support/on-cleanup.js';
import { runProcess } from '../support/run-process.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;

beforeEach(async () => {
  bridge = await startBridgeFixture({ hooks: 'here', principals: [{ name: 'home-pc', role: 'agent' }] });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

/** An agent whose model thinks until `let go`, and the request it waits on. */
async function thinkingAgent(args: readonly string[] = []) {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  await commitOnMain(bridge, { path: 'task.txt', content: '2+2' });
  const agent = await startAgent(bridge, standIn, { state: 'one', args });
  const request = await waitUntil(() => chatsOf(standIn)[0], 'the question at the model server');
  return { agent, held, request };
}

/**
 * How long an agent takes to end, less what a busy machine adds: ten times what node takes from its start to
 * its end, right before. On a machine that is not busy that is a third of a second. Milliseconds.
 */
async function timeToEnd(agent: RunningCli, signal: NodeJS.Signals) {
  const before = performance.now();
  await runProcess(process.execPath, ['-e', ''], { env: cleanEnv(bridge.dir) });
  const startedAt = performance.now();
  agent.signal(signal);
  const ended = await agent.exited;
  return { ...ended, tookMs: performance.now() - startedAt - 10 * (startedAt - before) };
}

test('SIGTERM ends a generating agent within 5 s with 0, closes its request, and lets the next one in at once', async () => {
  const { agent, held, request } = await thinkingAgent();

  const ended = await timeToEnd(agent, 'SIGTERM');

  expect(ended).toMatchObject({ exitCode: 0, signal: null });
  expect(ended.tookMs).toBeLessThan(5000);
  expect(await request.ended).toBe('lost');
  expect(agent.stderr()).not.toMatch(/warn|error/);
  expect(agent.stdout()).toBe('');
  held.open();
  const next = await runAgentOnceHere(bridge, standIn, { state: 'one' });
  expect(next.exitCode).toBe(0);
  expect(next.stderr).not.toContain('locked');
  expect((await bridge.answersLog()).map((record) => record.answer)).toEqual(['4']);
});

test('SIGTERM while the server is away ends within 5 s too, and the finished answer goes out at the next start', async () => {
  const { agent, held } = await thinkingAgent();
  await bridge.sshd.stop();
  held.open();
  await agent.waitFor('stderr', /answered by/);
  await agent.waitFor('stderr', /trying again until it works/);

  const ended = await timeToEnd(agent, 'SIGTERM');

  expect(ended).toMatchObject({ exitCode: 0 });
  expect(ended.tookMs).toBeLessThan(5000);
  expect(agent.stderr()).toMatch(/warn: not pushed yet: [0-9a-f]{8} .*the next start does it/);
  await bridge.restartSshd();
  expect(await runAgentOnceHere(bridge, standIn, { state: 'one' })).toMatchObject({ exitCode: 0 });
  expect((await bridge.answersLog()).map((record) => record.answer)).toEqual(['4']);
  expect(chatsOf(standIn)).toHaveLength(1);
});

test('SIGTERM while the server is silent ends within 5 s too', async () => {
  const { agent, held } = await thinkingAgent();
  await freezeTree(bridge.sshd.pid);
  held.open();
  await agent.waitFor('stderr', /answered by/);

  const ended = await timeToEnd(agent, 'SIGTERM');

  expect(ended).toMatchObject({ exitCode: 0 });
  expect(ended.tookMs).toBeLessThan(5000);
  expect(agent.stderr()).toMatch(/warn: not pushed yet/);
});

test('a second SIGINT stops at once with 130', async () => {
  const { agent, held } = await thinkingAgent();
  // The agent is busy with its last push for seconds.
  await freezeTree(bridge.sshd.pid);
  held.open();
  await agent.waitFor('stderr', /answered by/);
  agent.signal('SIGINT');
  await agent.waitFor('stderr', /stopping/);

  const ended = await timeToEnd(agent, 'SIGINT');

  expect(ended).toMatchObject({ exitCode: 130, signal: null });
  expect(ended.tookMs).toBeLessThan(1000);
});

test('a state folder that another agent uses is refused, and that one goes on', async () => {
  const { agent, held } = await thinkingAgent();

  const second = await runAgentOnce(bridge, standIn, { state: 'one' });

  expect(second).toMatchObject({ exitCode: 1, stdout: '' });
  expect(second.stderr).toMatch(/^error: another agent uses the state folder .*\ntry: .*--state-dir$/m);
  held.open();
  await waitUntil(async () => (await bridge.answersLog()).length === 1, 'the answer of the first agent');
  agent.signal('SIGTERM');
  expect((await agent.exited).exitCode).toBe(0);
  expect(chatsOf(standIn)).toHaveLength(1);
});

test('SIGTERM ends an agent that waits for its state folder', async () => {
  const { agent } = await thinkingAgent();
  const second = await startAgent(bridge, standIn, { state: 'one' });
  await second.waitFor('stderr', /the state folder is locked/);

  const ended = await timeToEnd(second, 'SIGTERM');

  expect(ended).toMatchObject({ exitCode: 0, signal: null });
  expect(ended.tookMs).toBeLessThan(5000);
  expect(second.stderr()).not.toContain('error:');
  agent.signal('SIGTERM');
  await agent.exited;
});

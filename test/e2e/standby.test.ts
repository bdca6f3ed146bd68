import { beforeAll, expect, test } from 'vitest';
import type { BridgeStatus } from '../../src/admin/bridge-status.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type AgentHereOptions, type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, questionsOf, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

/**
 * The time of the standby: longer than an agent that is there needs for an answer, on a slow machine too.
 */
const AFTER_MS = 10_000;

let bridge: BridgeFixture;
/** The model of the PC, and the small one beside the server. */
let pc: StandIn;
let small: StandIn;

beforeAll(async () => {
  bridge = await startBridgeFixture({
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'small', role: 'agent' },
    ],
    hooks: 'here',
  });
  [pc, small] = [
    await startStandIn(),
    await startStandIn({ models: { ollama: ['tiny'], lmstudio: [], openai: [] } }),
  ];
  onCleanup(() => pc.close());
  onCleanup(() => small.close());
});

const agent = () => startAgentHere(bridge, pc, { state: 'pc' });
const standby = (options: Partial<AgentHereOptions>) =>
  startAgentHere(bridge, small, { as: 'small', state: 'small', ...options });

async function stop(running: RunningAgent): Promise<void> {
  running.signal('SIGTERM');
  await running.exited;
}

/** By the path, as its owner. */
async function ask(question: string, ...more: string[]): Promise<string> {
  const args = ['ask', '--no-wait', question, ...more, '--repo', bridge.repoPath];
  return (await runCliHere(args, { env: bridge.ownerEnv })).stdout.trim();
}

async function status(): Promise<BridgeStatus> {
  const { stdout } = await runCliHere(['status', '--json', '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  return JSON.parse(stdout) as BridgeStatus;
}

const recordsOf = async (task: string) =>
  (await bridge.answersLog()).filter((one) => one.task_commit === task);

async function answered(task: string) {
  const isThere = async () => (await recordsOf(task))[0] ?? false;
  return waitUntil(isThere, `the answer to ${task}`, 90_000);
}

const isSeen = (name: string) => async () => (await status()).agents.some((one) => one.name === name);

test('a standby steps in after its time and not before, is nobody until then, and leaves what the PC has to the PC', async () => {
  const args = ['--after', `${AFTER_MS / 1000}s`, '--backend', 'ollama'];
  const running = await startAgent(bridge, small, { as: 'small', state: 'small', args });
  await waitUntil(isSeen('small'), 'the presence of the standby', 45_000);
  expect((await status()).attendance).toMatchObject({ state: 'absent' });

  // Nobody else is there: it answers, once the time is over.
  const lonely = await ask('1+1');
  const listed = await runCliHere(['list', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  expect(listed.stdout).toMatch(/1\+1 {2}→ {2}next, small steps in at \d\d:\d\d$/m);
  const first = await answered(lonely);
  expect(first).toMatchObject({
    answer: '2',
    agent: 'small',
    model: expect.stringContaining('tiny'),
    error: null,
  });
  expect(first).not.toHaveProperty('cloud');
  const waitedMs = Date.parse(String(first.created_at)) - Date.parse(String(first.asked_at));
  expect(waitedMs).toBeGreaterThanOrEqual(AFTER_MS);

  // The PC is there: it does, and the standby hears nothing of it.
  const heard = chatsOf(small).length;
  const pcRunning = await agent();
  const easy = await ask('2+2');
  expect(await answered(easy)).toMatchObject({ answer: '4', agent: 'home-pc' });
  expect(chatsOf(small)).toHaveLength(heard);

  // The PC has begun before that time, and is not done when it is over: its claim holds. What names the
  // model of the PC, or a kind of server that it alone has, waits for it.
  const held = gate();
  pc.behave = () => ({ firstTokenAfter: held.opened });
  const slow = await ask('3+3');
  await waitUntil(() => questionsOf(pc).includes('3+3'), 'the question at the PC', 45_000);
  const named = await ask('5+5', '--model', 'llama3.2');
  const kind = await ask('6+6', '--backend', 'lmstudio');
  await running.waitFor('stderr', new RegExp(`${kind.slice(0, 8)}: left: it is for lmstudio alone`));
  const later = await ask('4+4');
  expect(await answered(later)).toMatchObject({ answer: '8', agent: 'small' });
  for (const task of [slow, named, kind]) expect(await recordsOf(task)).toEqual([]);
  held.open();
  pc.behave = () => ({});
  for (const task of [slow, named, kind])
    expect(await answered(task)).toMatchObject({ agent: 'home-pc', error: null });
  expect(questionsOf(small)).toEqual(['1+1', '4+4']);
  expect((await bridge.answersLog()).map(({ task_commit }) => task_commit)).toHaveLength(6);
  await stop(pcRunning);
  await stop(running);
});

test('what a standby cannot answer it leaves to the PC, because an error would be the last word', async () => {
  small.behave = () => ({ refuse: { kind: 'http', status: 500, body: 'broken' } });
  const running = await standby({ afterMs: 1_000, retryWindowMs: 0 });
  const task = await ask('8+8');
  await running.waitFor(
    'stderr',
    new RegExp(`${task.slice(0, 8)}: left, because this standby cannot answer it`),
  );
  const back = await agent();
  expect(await answered(task)).toMatchObject({ answer: '16', agent: 'home-pc' });
  small.behave = () => ({});
  await stop(running);
  await stop(back);
});

test('a third party answers where it may, the record says so, and what is local only never reaches it, nor what continues it', async () => {
  const cloud = await startStandIn({
    models: { ollama: [{ name: 'big', remoteHost: 'https://ollama.com:443' }], lmstudio: [], openai: [] },
  });
  onCleanup(() => cloud.close());
  const api = await bridge.addPrincipal('api', 'agent');
  const running = await startAgentHere(bridge, cloud, {
    ...{ as: api.name, state: 'api', afterMs: 1_000 },
    ...{ backends: ['ollama'], allowCloud: true, model: 'big' },
  });
  const asked = await ask('9+9');
  expect(await answered(asked)).toMatchObject({ answer: '18', agent: 'api', model: 'big', cloud: true });

  const secret = await ask('secret 1+2', '--local-only');
  await running.waitFor(
    'stderr',
    new RegExp(`${secret.slice(0, 8)}: left, because this standby cannot answer it`),
  );
  // So it is not named as the one that steps in.
  const waiting = async () => (await status()).pending.find(({ task }) => task === secret)?.waiting;
  const said = await waitUntil(async () => (await waiting()) ?? false, 'status to say who is waited for');
  expect(said).toMatchObject({ agents: [{ name: 'home-pc' }], standby: null });
  const back = await agent();
  const kept = await answered(secret);
  expect(kept).toMatchObject({ answer: expect.any(String), agent: 'home-pc', error: null });
  expect(kept).not.toHaveProperty('cloud');
  await stop(back);
  // The question that continues it says nothing of that itself, and would bring it along.
  const more = await ask('and 3+4', '--reply-to', secret);
  await running.waitFor(
    'stderr',
    new RegExp(`${more.slice(0, 8)}: left, because this standby cannot answer it`),
  );
  await agent();
  expect(await answered(more)).toMatchObject({ agent: 'home-pc', error: null });
  expect(questionsOf(cloud)).toEqual(['9+9']);
  expect(JSON.stringify(cloud.requests.map(({ body }) => body))).not.toContain('secret');
});

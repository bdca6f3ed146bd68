import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { gate, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { type RunningCli, runCli } from '../support/cli.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;
let agent: RunningCli;

beforeAll(async () => {
  bridge = await startBridgeFixture();
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  agent = await startAgent(bridge, standIn, { state: 'who' });
  await agent.waitFor('stderr', /connected to/);
});

const PLACES = ['local', 'ssh'] as const;

/** Runs a command as the owner by the path, or as the bot over ssh. */
function read(where: 'local' | 'ssh', ...args: string[]) {
  return where === 'local'
    ? runCli([...args, '--repo', bridge.repoPath], { env: bridge.ownerEnv })
    : runCli([...args, '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
}

async function agentsOf(where: 'local' | 'ssh'): Promise<Record<string, unknown>[]> {
  const { stdout } = await read(where, 'status', '--json');
  return (JSON.parse(stdout) as { agents: Record<string, unknown>[] }).agents;
}

test.each(PLACES)('a task that an agent is at is running for list and status, %s', async (where) => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const { stdout } = await read(where, 'ask', '--no-wait', `1+1 ${where}`);
  const task = stdout.trim();

  const [row] = await waitUntil(async () => {
    const listed = await read(where, 'list', '--state', 'running', '--json');
    return listed.stdout === '' ? null : [JSON.parse(listed.stdout) as unknown];
  }, 'a running task');

  expect(row).toMatchObject({ task, state: 'running', agent: 'home-pc', answered_at: null });
  expect((await read(where, 'list')).stdout).toMatch(
    new RegExp(`^${task.slice(0, 8)}  running .*  \\S+: 1\\+1 ${where}  →  by home-pc$`, 'm'),
  );
  expect(await agentsOf(where)).toMatchObject([
    {
      name: 'home-pc',
      state: 'running',
      seen_at: expect.stringMatching(/Z$/),
      age_ms: expect.any(Number),
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      backends: expect.arrayContaining(['ollama']),
      models: expect.arrayContaining(['llama3.2:latest']),
      parallel: 1,
      busy: [task],
    },
  ]);
  expect((await read(where, 'status')).stdout).toMatch(
    new RegExp(
      `^  home-pc: running, seen .* ago, busy with ${task.slice(0, 8)}; ollama.*: .*llama3\\.2`,
      'm',
    ),
  );

  held.open();
  await waitUntil(async () => (await read(where, 'answer', task)).exitCode === 0, 'the answer');
  expect((await read(where, 'list', '--state', 'running')).stdout).toBe('');
  expect(await agentsOf(where)).toMatchObject([{ name: 'home-pc', busy: [] }]);
});

test.each(PLACES)('on a terminal ask says who is at it, and for how long, %s', async (where) => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const asking =
    where === 'local'
      ? await startOnTerminal(['ask', '20+2', '--repo', bridge.repoPath], bridge.ownerEnv)
      : await startOnTerminal(['ask', '30+3', '--repo', bridge.sshUrl], bridge.principal('bot').env);
  if (asking === null) return;
  await asking.waitFor(/asked as [0-9a-f]{8}, seen by home-pc, generating… [1-9][0-9]* s/);
  // What was claimed is drawn at once, before there is a second to tell.
  expect(asking.shown()).not.toContain(' ms');
  held.open();

  expect(await asking.exited).toBe(0);
  expect(asking.shown()).toContain(where === 'local' ? '22\r\n' : '33\r\n');
});

test('an agent that ended in good order is stopped', async () => {
  agent.signal('SIGTERM');
  await agent.exited;

  expect(await agentsOf('local')).toMatchObject([{ name: 'home-pc', state: 'stopped', busy: [] }]);
  expect((await read('local', 'status')).stdout).toMatch(/^ {2}home-pc: stopped, seen .* ago; /m);
});

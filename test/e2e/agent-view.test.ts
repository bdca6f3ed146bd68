import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { gate, runAgentOnce, runAgentOnceHere } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';

// SECURITY.md: P32

let bridge: BridgeFixture;
let standIn: StandIn;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

async function ask(...args: string[]): Promise<string> {
  const { stdout } = await runCliHere(['ask', '--no-wait', ...args, '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  return stdout.trim();
}

test('--log-format json is a line of JSON for each thing that happens, without question or answer', async () => {
  const good = await ask('tell me a secret');
  const bad = await ask('3+3', '--model', 'gone');

  const { exitCode, stdout, stderr } = await runAgentOnce(bridge, standIn, {
    state: 'json',
    args: ['--log-format', 'json'],
  });

  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of lines) {
    expect(line).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: expect.stringMatching(/^(info|warn|error)$/),
      message: expect.any(String),
      event: expect.any(String),
    });
  }
  expect(lines).toContainEqual(expect.objectContaining({ event: 'connected', name: 'home-pc' }));
  expect(lines).toContainEqual(expect.objectContaining({ event: 'task-started', task: good }));
  expect(lines).toContainEqual(
    expect.objectContaining({
      event: 'task-answered',
      level: 'info',
      task: good,
      model: 'llama3.2:latest',
      backend: 'ollama',
      latency_ms: expect.any(Number),
      completion_tokens: expect.any(Number),
      cached: false,
    }),
  );
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'task-failed', level: 'warn', task: bad, code: 'model_not_found' }),
  );
  expect(stderr).not.toContain('secret');
});

test('a path that is no bridge is told at once, and nobody is said to be connected to it', async () => {
  const repo = bridge.sshUrl.replace(/\.git$/, '-2.git');
  const { exitCode, stderr } = await runAgentOnceHere(bridge, standIn, { state: 'path', repo });

  expect(exitCode).toBe(1);
  expect(stderr).not.toContain('connected');
  expect(stderr).toContain(`${bridge.repoPath}`);
  expect(stderr).toMatch(/^error: [^\n]*\ntry: [^\n]*\n$/m);
});

test('on a terminal the agent shows what it waits for, what runs and how quickly, and tidies up', async ({
  skip,
}) => {
  const paused = gate();
  standIn.behave = () => ({ answer: 'one two three four', pause: { afterChunks: 3, until: paused.opened } });
  const agent = await startOnTerminal(
    [
      'agent',
      '--repo',
      bridge.repoPath,
      '--name',
      'home-pc',
      '--state-dir',
      `${bridge.dir}/state-view`,
      '--ollama-url',
      standIn.ollamaUrl,
    ],
    bridge.ownerEnv,
  );
  if (agent === null) return skip('there is no script(1) that can make a terminal');
  await agent.waitFor(/home-pc: waiting for tasks \(0 answered\)/);
  const task = await ask('count');

  await agent.waitFor(/home-pc: answering a task/);
  await agent.waitFor(new RegExp(`  ${task.slice(0, 8)}  \\d+ s  for \\S+, 3 tokens, \\d+\\.\\d tokens/s`));
  paused.open();
  await agent.waitFor(new RegExp(`Z task ${task.slice(0, 8)}: answered by .* in .*\\r\\n`));
  await agent.waitFor(/home-pc: waiting for tasks \(1 answered\)/);
  await agent.signal('SIGINT');
  expect(await agent.exited).toBe(0);
  // The cursor is back.
  expect(agent.shown().lastIndexOf('\u001b[?25h')).toBeGreaterThan(agent.shown().lastIndexOf('\u001b[?25l'));
});

test('on a terminal ask says for how long it waits, and Ctrl-C how to get the answer later', async ({
  skip,
}) => {
  const asking = await startOnTerminal(['ask', '5+5', '--repo', bridge.repoPath], bridge.ownerEnv);
  if (asking === null) return skip('there is no script(1) that can make a terminal');
  await asking.waitFor(/asked as [0-9a-f]{8}, waiting for an agent… [1-9][0-9]* s/);
  const id = /asked as ([0-9a-f]{8})/.exec(asking.shown())?.[1];

  await asking.signal('SIGINT');

  expect(await asking.exited).toBe(75);
  const [later, end] = ['answer', 'cancel'].map(
    (what) => `llm-bridge ${what} ${id} --repo ${bridge.repoPath}`,
  );
  expect(asking.shown()).toContain(`try: ${later}; or end it: ${end}\r\n`);
});

test('where stderr is no terminal for it, the lines are plain', async () => {
  standIn.behave = () => ({});
  await ask('6+6');
  const { stderr } = await runAgentOnce(bridge, standIn, { state: 'plain' });

  expect(stderr).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ connected to /);
  expect(stderr).not.toContain('\u001b');
});

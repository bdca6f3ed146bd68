import { expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { ask as askBridge } from '../../src/index.js';
import { modelsRef } from '../../src/protocol/models.js';
import { startAgentHere } from '../support/agent-here.js';
import { chatsOf, questionsOf, runAgentOnceHere } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { git } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

async function serverWith(...models: string[]): Promise<StandIn> {
  const standIn = await startStandIn({ models: { ollama: models, lmstudio: [] } });
  onCleanup(standIn.close);
  return standIn;
}

const PRINCIPALS = [
  { name: 'home-pc', role: 'agent' },
  { name: 'office', role: 'agent' },
  { name: 'bot', role: 'asker' },
] as const;

/** What the server knows of an agent's models; null where it knows nothing. */
async function known({ repoPath, ownerEnv }: BridgeFixture, agent: string): Promise<string | null> {
  const shown = await git(['cat-file', 'blob', modelsRef(agent)], { gitDir: repoPath, env: ownerEnv });
  return shown.exitCode === 0 ? shown.stdout : null;
}

test('each task goes where its model is, a sleeping PC is waited for, and a typo fails at once', {
  timeout: 180_000,
}, async () => {
  const bridge = await startBridgeFixture({ hooks: 'here', principals: PRINCIPALS });
  const { env } = bridge.principal('bot');
  const ask = (args: readonly string[]) => runCliHere(['ask', ...args, '--repo', bridge.sshUrl], { env });
  const list = async () => {
    const { stdout } = await runCliHere(['list', '--json', '--repo', bridge.sshUrl], { env });
    return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  };
  const home = await serverWith('llama3.2:latest');
  const office = await serverWith('qwen3:8b');
  const startOffice = () =>
    startAgentHere(bridge, office, { as: 'office', state: 'office', backends: ['ollama'] });
  await startAgentHere(bridge, home, { state: 'home', backends: ['ollama'] });
  await waitUntil(() => known(bridge, 'home-pc'), 'what home-pc has');
  const first = await startOffice();
  await waitUntil(() => known(bridge, 'office'), 'what office has');
  // Fetched together with this question.
  const warm = await ask(['warm up', '--model', 'llama3.2']);
  expect(warm, warm.stderr).toMatchObject({ exitCode: 0 });

  const tasks = Array.from({ length: 2 }, (_, n) => [`small ${n}`, `large ${n}`] as const).flat();
  const modelOf = (task: string) => (task.startsWith('small') ? 'llama3.2' : 'QWEN3:8b');
  const answers = await Promise.all(
    tasks.map((task) =>
      askBridge({ repo: bridge.sshUrl, env, task: { prompt: task, model: modelOf(task) } }),
    ),
  );
  expect(answers).toMatchObject(tasks.map(() => ({ status: 'answered', answer: { error: null } })));
  expect(questionsOf(home).sort()).toEqual(['small 0', 'small 1', 'warm up']);
  expect(questionsOf(office).sort()).toEqual(['large 0', 'large 1']);

  // Asleep, or stopped: what it has is known all the same.
  first.signal('SIGTERM');
  expect(await first.exited).toMatchObject({ exitCode: 0 });
  const waiting = await ask(['for the sleeper', '--model', 'qwen3:8b', '--no-wait']);
  expect(waiting.exitCode).toBe(0);
  expect(await ask(['one more', '--model', 'llama3.2:latest'])).toMatchObject({ exitCode: 0 });
  const typo = await ask(['typo', '--model', 'qwen3:9b', '--json']);
  expect(typo.exitCode).toBe(1);
  const error = JSON.parse(typo.stdout).error;
  expect(error).toMatchObject({ code: 'model_not_found' });
  expect(error.message).toMatch(/installed: llama3\.2:latest.*; on other agents: qwen3:8b on office$/);
  // An agent that comes by for a moment leaves it as well, and ends.
  const passing = await runAgentOnceHere(bridge, home, { state: 'passing', args: ['--backend', 'ollama'] });
  expect(passing).toMatchObject({ exitCode: 0 });
  const row = (await list()).find(({ task }) => task === waiting.stdout.trim());
  expect(row).toMatchObject({ state: 'pending' });

  // Who waits is told for whom, on the server and over ssh.
  const about = { model: 'qwen3:8b', agents: [{ name: 'office', seen_at: expect.any(String) }] };
  expect(row).toMatchObject({ waits_for: about });
  const status = await runCliHere(['status', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  expect(status.stdout).toMatch(
    /for the sleeper {2}→ {2}waits for an agent with qwen3:8b: office, last seen/,
  );
  const models = await runCliHere(['models', '--json', '--repo', bridge.sshUrl], { env });
  expect(models.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))).toMatchObject([
    { model: 'llama3.2:latest', agents: [{ name: 'home-pc', state: 'running' }] },
    { model: 'qwen3:8b', backend: 'ollama', can: ['chat'], agents: [{ name: 'office', state: 'stopped' }] },
  ]);
  const shown = await runCliHere(['models', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  expect(shown.stdout).toMatch(/^qwen3:8b {9}ollama: chat {2}→ {2}office \(stopped, seen .* ago\)$/m);

  await startOffice();
  await waitUntil(async () => (await bridge.readLog()).includes('for the sleeper'), 'the answer');
  expect(questionsOf(office).filter((question) => question === 'for the sleeper')).toHaveLength(1);
  expect(chatsOf(home).map(({ body }) => (body as { model: string }).model)).not.toContain('qwen3:8b');
});

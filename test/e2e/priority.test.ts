import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { gate, questionsOf, startAgent } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

test('the higher priority is answered first, among equals the older, and what runs is not stopped', async () => {
  const bridge = await startBridgeFixture();
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const ask = async (question: string, ...args: string[]) => {
    const asked = await runCliHere(['ask', question, '--no-wait', ...args, '--repo', bridge.repoPath], {
      env: bridge.ownerEnv,
    });
    expect(asked).toMatchObject({ exitCode: 0, stderr: '' });
    return asked.stdout.trim();
  };
  const clone = { gitDir: join(bridge.dir, 'state-priority', 'bridge.git'), env: bridge.ownerEnv };
  const fetched = (task: string) =>
    waitUntil(
      async () => (await gitOk(['rev-parse', 'refs/remotes/bridge/main'], clone)).trim() === task,
      `${task} at the agent`,
    );
  await ask('running', '--priority', '-10');
  await startAgent(bridge, standIn, { state: 'priority' });
  await waitUntil(() => questionsOf(standIn).length === 1, 'the first question at the model');

  await ask('low', '--priority=-5');
  await ask('as usual');
  await commitOnMain(bridge, { path: 'task.txt', content: 'as usual, in a text' });
  await ask('as usual, and said', '--priority', '0');
  await ask('high', '--priority', '10');
  const high = await ask('high too', '--priority', '10');
  await fetched(high);
  // The agent fetches the next one once it has put those before into their order.
  const lowest = await ask('lowest', '--priority', '-10');
  await fetched(lowest);
  held.open();

  await waitUntil(
    async () => (await bridge.answersLog()).some(({ task_commit }) => task_commit === lowest),
    'the answer to the last',
    45_000,
  );
  expect(questionsOf(standIn)).toEqual([
    'running',
    'high',
    'high too',
    'as usual',
    'as usual, in a text',
    'as usual, and said',
    'low',
    'lowest',
  ]);
});

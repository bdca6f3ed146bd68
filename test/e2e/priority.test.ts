import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { startAgentHere } from '../support/agent-here.js';
import { gate, questionsOf } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

test('the higher priority is answered first, within one askers take turns, and what runs is not stopped', async () => {
  const bridge = await startBridgeFixture({ hooks: 'here' });
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
  await startAgentHere(bridge, standIn, { state: 'priority' });
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

  // One source floods, another asks one thing.
  const again = gate();
  standIn.behave = () => ({ firstTokenAfter: again.opened });
  const from = (token: string, prompt: string) =>
    commitOnMain(bridge, { path: 'task.json', content: JSON.stringify({ prompt, metadata: { token } }) });
  await from('flood', 'flood');
  await waitUntil(() => questionsOf(standIn).length === 9, 'the first of the flood at the model');
  const [one, two, last] = [
    await from('flood', 'one'),
    await from('flood', 'two'),
    await from('flood', 'three'),
  ];
  const light = await from('light', 'light');
  await fetched(light);
  const listed = await runCliHere(['list', '--state', 'pending', '--json', '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  const rows = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const inLine = rows.toSorted((a, b) => Number(a.place) - Number(b.place)).map(({ task }) => task);
  // The one that runs may not be claimed yet.
  expect(inLine.slice(-4)).toEqual([light, one, two, last]);
  // Fetched once the agent has the others in their order.
  const end = await from('light', 'end');
  await fetched(end);
  again.open();
  await waitUntil(
    async () => (await bridge.answersLog()).some(({ task_commit }) => task_commit === last),
    'the answer to the last of the flood',
    45_000,
  );
  expect(questionsOf(standIn).slice(8)).toEqual(['flood', 'light', 'one', 'end', 'two', 'three']);
});

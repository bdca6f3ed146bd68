import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf } from '../support/bridge-agent.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { namedSteps, runFaultyAt, stepsOf } from '../support/dying-cli.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startPlainBridge } from '../support/plain-bridge.js';
import { stepsToTry } from '../support/steps-to-try.js';

test('an agent of two bridges killed before any step answers on both when it is started again, once', async () => {
  const bridges = await Promise.all([1, 2].map(() => startPlainBridge({ hooks: 'here for all' })));
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const asked: string[][] = bridges.map(() => []);
  const ask = () =>
    Promise.all(
      bridges.map(async (bridge, at) => {
        const place = { repoPath: bridge.repoPath, ownerEnv: bridge.env };
        const content = `${asked[at]?.length} on ${at}`;
        asked[at]?.push(await commitOnMain(place, { path: 'task.txt', content }));
      }),
    );
  const answered = () =>
    Promise.all(
      bridges.map(async (bridge) => {
        const lines = (await bridge.readLog()).split('\n').slice(0, -1);
        return lines.map((line) => (JSON.parse(line) as { task_commit: string }).task_commit);
      }),
    );
  const [{ dir = '', env = {} } = {}] = bridges;
  const agent = (state: string) => [
    ...['agent', '--once', ...bridges.flatMap(({ repoPath }) => ['--repo', repoPath])],
    ...['--name', 'home-pc', '--state-dir', join(dir, state)],
    ...['--ollama-url', standIn.ollamaUrl, '--backend', 'ollama'],
  ];

  await ask();
  const steps = namedSteps(await stepsOf(agent('state-untouched'), { env }));
  let killed = 0;
  for (const at of stepsToTry(steps)) {
    await ask();
    const chats = chatsOf(standIn).length;
    const state = `state-${asked[0]?.length}`;
    const hit = await runFaultyAt(agent(state), { env }, at, 'dies');
    expect(hit.exitCode, `${at.name}: ${hit.stderr}`).toBe(hit.step === null ? 0 : 137);
    if (hit.step !== null) killed += 1;
    const after = await runCliHere(agent(state), { env });
    expect(after.exitCode, `after ${at.name}: ${after.stderr}`).toBe(0);
    expect(await answered(), `after ${at.name}: ${after.stderr}`).toEqual(asked);
    // Each was generated again at most once.
    expect(chatsOf(standIn).length - chats, at.name).toBeLessThanOrEqual(4);
  }
  console.log(`agent of two bridges: killed at ${killed} of ${steps.length} steps`);
  // A run may lack a step that another one has, but not many.
  expect(killed).toBeGreaterThan(steps.length * 0.8);
}, 1_800_000);

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { runCliHere } from '../../support/cli-here.js';
import { commitOnMain } from '../../support/commit-on-main.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

test('an agent --once of two bridges ends when nothing is pending on either, though one waits for the model that works for the other', async () => {
  const bridges = await Promise.all([1, 2].map(() => startPlainBridge({ hooks: 'here for all' })));
  const standIn = await startStandIn({ behave: () => ({ firstTokenAfter: sleep(1_000) }) });
  onCleanup(() => standIn.close());
  const tasks = await Promise.all(
    bridges.map(({ repoPath, env }) =>
      commitOnMain({ repoPath, ownerEnv: env }, { path: 'task.txt', content: '1+1' }),
    ),
  );
  const [{ dir = '', env = {} } = {}] = bridges;
  const repos = bridges.flatMap(({ repoPath }) => ['--repo', repoPath]);
  const model = ['--ollama-url', standIn.ollamaUrl, '--backend', 'ollama'];
  const args = ['agent', '--once', ...repos, '--name', 'home-pc', '--state-dir', `${dir}/state`, ...model];
  const { exitCode, stderr } = await runCliHere(args, { env });
  expect(exitCode, stderr).toBe(0);
  const logs = await Promise.all(bridges.map(async (bridge) => JSON.parse(await bridge.readLog())));
  expect(logs.map(({ task_commit, error }) => [task_commit, error])).toEqual(
    tasks.map((task) => [task, null]),
  );
});

import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, questionsOf, runAgentOnce, startAgent } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { startCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { runProcess } from '../support/run-process.js';
import { waitUntil } from '../support/wait-until.js';

test('2+2 in a watched task.txt is answered 4 in exactly one line of the log, whatever runs again', async () => {
  const bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const taskFile = join(bridge.dir, 'task.txt');
  const watchArgs = ['watch', taskFile, '--repo', bridge.repoPath, '--name', 'bot', '--settle', '0.1'];
  const logHas = (count: number) =>
    waitUntil(async () => (await bridge.answersLog()).length >= count, `${count} lines in answers.log`);

  const watcher = await startCli(watchArgs, { env: bridge.ownerEnv });
  await watcher.waitFor('stderr', /watching/);
  const agent = await startAgent(bridge, standIn, { state: 'first' });
  await writeFile(taskFile, '2+2');
  await logHas(1);
  const firstLog = await bridge.readLog();

  const [record] = await bridge.answersLog();
  expect(record).toMatchObject({ seq: 1, answer: '4', error: null, task_text: '2+2', agent: 'home-pc' });
  expect(record?.task_commit).toBe((await watcher.waitFor('stdout', /^([0-9a-f]{40}) 2\+2$/m))[1]);

  // The same text again is no change: a touch, an atomic replace.
  await writeFile(taskFile, '2+2');
  await copyFile(taskFile, `${taskFile}.new`);
  // The agent ends and starts again: with its state folder, with another one, twice in a row.
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
  for (const state of ['first', 'first', 'second', 'second']) {
    const again = await runAgentOnce(bridge, standIn, { state });
    expect(again).toMatchObject({ exitCode: 0, stdout: '' });
  }
  // The hook runs again, as git would run it.
  const tip = (await gitOk(['rev-parse', 'main'], { gitDir: bridge.repoPath })).trim();
  const before = (await gitOk(['rev-parse', 'main~1'], { gitDir: bridge.repoPath })).trim();
  const hook = await runProcess(join(bridge.repoPath, 'hooks', 'post-receive'), [], {
    cwd: bridge.repoPath,
    env: { ...bridge.ownerEnv, GIT_DIR: '.' },
    input: `${before} ${tip} refs/heads/main\n`,
  });
  expect(hook.exitCode).toBe(0);
  expect(await bridge.readLog()).toBe(firstLog);

  // The watcher starts again on the same file. What it asks next shows that it asked nothing in between.
  watcher.signal('SIGTERM');
  expect((await watcher.exited).exitCode).toBe(0);
  const watcherAgain = await startCli(watchArgs, { env: bridge.ownerEnv });
  await watcherAgain.waitFor('stderr', /watching/);
  await startAgent(bridge, standIn, { state: 'first' });
  await writeFile(taskFile, '3+4');
  await logHas(2);

  expect((await bridge.readLog()).startsWith(firstLog)).toBe(true);
  expect((await bridge.answersLog()).map((one) => one.answer)).toEqual(['4', '7']);
  expect(await bridge.gitLog('%an %s')).toEqual([
    expect.stringMatching(/^home-pc answer [0-9a-f]{8}: 7 \(llama3\.2:latest via ollama, \d+ ms\)$/),
    'bot ask: 3+4',
    expect.stringMatching(/^home-pc answer [0-9a-f]{8}: 4 \(llama3\.2:latest via ollama, \d+ ms\)$/),
    'bot ask: 2+2',
    expect.any(String),
  ]);
  expect(questionsOf(standIn)).toEqual(['2+2', '3+4']);
  expect(chatsOf(standIn)).toHaveLength(2);
});

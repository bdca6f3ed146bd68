import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, runAgentOnceHere } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';

test('where server and client speak other protocols, each is told which to update, and nothing is lost meanwhile', async () => {
  const bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  // A finished answer that could not be pushed, and a task that nobody has begun.
  await commitOnMain(bridge, { path: 'task.txt', content: '2+2' });
  const agent = await startAgentHere(bridge, standIn, { state: 'one' });
  await agent.waitFor('stderr', /answering/);
  await bridge.sshd.stop();
  held.open();
  await agent.waitFor('stderr', /answered by/);
  await agent.waitFor('stderr', /trying again until it works/);
  agent.signal('SIGTERM');
  await agent.exited;
  await commitOnMain(bridge, { path: 'task.txt', content: '3+3' });
  await bridge.restartSshd();
  const tip = () => gitOk(['rev-parse', 'main'], { gitDir: bridge.repoPath });
  const before = await tip();

  const file = join(bridge.repoPath, 'bridge', 'ssh-command');
  const command = await readFile(file, 'utf8');
  for (const [protocol, behind] of [
    [1, 'the server'],
    [3, 'this machine'],
  ] as const) {
    await writeFile(file, command.replace('"protocol":2', `"protocol":${protocol}`));
    const told = new RegExp(
      `the server speaks protocol ${protocol}, this llm-bridge 2: ${behind} has to be updated; tasks and finished answers are kept until then\\n.*npm ci`,
    );
    const answering = await runAgentOnceHere(bridge, standIn, { state: 'one' });
    expect(answering.exitCode).toBe(1);
    expect(answering.stderr).toMatch(told);
    const asking = await runCli(['ask', '4+4', '--repo', bridge.sshUrl], {
      env: bridge.principal('bot').env,
    });
    expect(asking).toMatchObject({ exitCode: 1, stdout: '' });
    expect(asking.stderr).toMatch(told);
    expect(await tip()).toBe(before);
  }

  await writeFile(file, command);
  expect(await runAgentOnceHere(bridge, standIn, { state: 'one' })).toMatchObject({ exitCode: 0 });
  const records = await bridge.answersLog();
  expect(records.map((record) => record.answer).sort()).toEqual(['4', '6']);
  expect(chatsOf(standIn)).toHaveLength(2);
  for (const { asked_at, created_at, ingested_at } of records)
    expect([asked_at, created_at, ingested_at].toSorted()).toEqual([asked_at, created_at, ingested_at]);
});

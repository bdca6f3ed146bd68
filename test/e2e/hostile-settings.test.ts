import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { runAgentOnce } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { git } from '../support/git.js';
import { hostileSettings } from '../support/hostile-settings.js';
import { onCleanup } from '../support/on-cleanup.js';

test('whatever a person has set in git, tasks are asked, answered, cancelled and verified, here and over ssh', async () => {
  const bridge = await startBridgeFixture();
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const theirs = await hostileSettings(bridge.dir);
  // They are heard: a repository that git makes now has ids of SHA-256.
  const env = { ...bridge.ownerEnv, ...theirs };
  const made = join(bridge.dir, 'theirs.git');
  await git(['init', '--bare', made], { env });
  expect((await git(['rev-parse', '--show-object-format'], { gitDir: made, env })).stdout).toBe('sha256\n');
  // The repository's own config is one more place for them.
  await appendFile(
    join(bridge.repoPath, 'config'),
    '[trailer "taskid"]\n  key = Task-Id\n[core]\n  commentChar = S\n[log]\n  showRoot = false\n',
  );
  const owner = { env: { ...bridge.ownerEnv, ...theirs } };
  const bot = { env: { ...bridge.principal('bot').env, ...theirs } };
  const repo = ['--repo', bridge.repoPath];
  const elsewhere = ['--repo', bridge.sshUrl];
  const answerAll = async () => {
    const agent = await runAgentOnce(bridge, standIn, { state: 'one', env: theirs });
    expect(agent, agent.stderr).toMatchObject({ exitCode: 0 });
    expect(agent.stderr).not.toMatch(/Z (?:warn|error): |a program of theirs/);
  };

  const here = await runCli(['ask', '1+1', '--no-wait', ...repo], owner);
  expect(here).toMatchObject({ exitCode: 0, stderr: '' });
  const there = await runCli(['ask', '2+3', '--no-wait', ...elsewhere], bot);
  expect(there).toMatchObject({ exitCode: 0, stderr: '' });
  const unwanted = await runCli(['ask', '9+9', '--no-wait', ...elsewhere], bot);
  const cancelled = await runCli(['cancel', unwanted.stdout.trim(), ...elsewhere], bot);
  expect(cancelled.exitCode, cancelled.stderr).toBe(0);
  await answerAll();

  const records = await bridge.answersLog();
  expect(records.map((record) => record.answer).sort()).toEqual(['2', '5', null]);
  expect(await runCli(['answer', here.stdout.trim(), ...repo], owner)).toMatchObject({
    stdout: '2\n',
    exitCode: 0,
  });
  expect(await runCli(['answer', there.stdout.trim(), ...elsewhere], bot)).toMatchObject({
    stdout: '5\n',
    exitCode: 0,
  });
  const verified = await runCli(['verify', ...repo], owner);
  expect(verified, verified.stderr).toMatchObject({ exitCode: 0 });
  const list = await runCli(['list', '--json', ...repo], owner);
  expect(list.stdout).not.toContain('"pending"');
}, 170_000);

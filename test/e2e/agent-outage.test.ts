import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, questionsOf, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { gitWithMainLocked } from '../support/living-git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;

beforeEach(async () => {
  bridge = await startBridgeFixture({ hooks: 'here', principals: [{ name: 'home-pc', role: 'agent' }] });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

function task(question: string): Promise<string> {
  return commitOnMain(bridge, { path: 'task.txt', content: question });
}

async function logged(count: number): Promise<(string | null)[]> {
  const records = await waitUntil(async () => {
    const found = await bridge.answersLog();
    return found.length >= count ? found : null;
  }, `${count} lines in answers.log`);
  return records.map((record) => record.answer);
}

async function stop(agent: RunningAgent): Promise<void> {
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(new RegExp(pattern, 'g'))].length;
}

test('a finished answer survives a kill of the agent while the server is away, and is not generated again', async () => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const agent = await startAgent(bridge, standIn, { state: 'killed' });
  await task('2+2');
  await agent.waitFor('stderr', /answering/);
  await waitUntil(() => chatsOf(standIn).length === 1, 'the question at the model server');
  await bridge.sshd.stop();
  held.open();
  // It is said once the answer is kept.
  await agent.waitFor('stderr', /answered by/);
  await agent.waitFor('stderr', /trying again until it works/);
  agent.signal('SIGKILL');
  await agent.exited;
  await bridge.restartSshd();

  const again = await startAgentHere(bridge, standIn, { state: 'killed' });

  expect(await logged(1)).toEqual(['4']);
  expect(chatsOf(standIn)).toHaveLength(1);
  // The lock went with the killed agent: nobody waits for it.
  expect(again.stderr()).not.toMatch(/locked/);
  await stop(again);
});

test('a server that is away is reported once, generation goes on meanwhile, and all arrives when it is back', async () => {
  const held = gate();
  standIn.behave = ({ question }) => (question === '1+1' ? { firstTokenAfter: held.opened } : {});
  for (const question of ['1+1', '1+2', '1+3']) await task(question);
  const agent = await startAgentHere(bridge, standIn, { state: 'away' });
  await waitUntil(() => chatsOf(standIn).length === 1, 'the first question at the model server');
  await bridge.sshd.stop();
  held.open();
  await agent.waitFor('stderr', /(answered by[\s\S]*){3}/);
  await agent.waitFor('stderr', /warn: .*cannot be reached.*; trying again until it works/);
  expect(await bridge.readLog()).toBe('');

  await bridge.restartSshd();

  expect(await logged(3)).toEqual(['2', '3', '4']);
  await agent.waitFor('stderr', /works again, after/);
  expect(count(agent.stderr(), /warn: /)).toBe(1);
  expect(questionsOf(standIn)).toEqual(['1+1', '1+2', '1+3']);
  await stop(agent);
});

test('a server that takes no answer is reported once, however often it was tried, and so is that it works again', async () => {
  const hook = join(bridge.repoPath, 'hooks', 'pre-receive');
  const [broken, pushes] = [join(bridge.dir, 'broken'), join(bridge.dir, 'pushes')];
  await rename(hook, `${hook}-real`);
  // Claims and presences still come in: they say nothing about answers.
  await writeFile(
    hook,
    `#!/bin/sh
updates=$(cat)
case $updates in
  *refs/heads/main*)
    if [ -e ${broken} ]; then
      echo push >>${pushes}
      echo 'llm-bridge refused [internal]: out of order; try: again' >&2
      exit 1
    fi ;;
esac
printf '%s\\n' "$updates" | ${hook}-real
`,
  );
  await chmod(hook, 0o755);
  await task('8+8');
  await writeFile(broken, '');
  const agent = await startAgentHere(bridge, standIn, { state: 'refused' });
  // The first push, and two more after the waits between them.
  await waitUntil(
    async () => count(await readFile(pushes, 'utf8').catch(() => ''), /push/) >= 3,
    'three pushes',
    45_000,
  );
  expect(count(agent.stderr(), /warn: .*out of order; trying again until it works/)).toBe(1);

  await rm(broken);

  expect(await logged(1)).toEqual(['16']);
  await agent.waitFor('stderr', /works again, after/);
  expect(count(agent.stderr(), /warn: /)).toBe(1);
  expect(count(agent.stderr(), /works again/)).toBe(1);
  expect(chatsOf(standIn)).toHaveLength(1);
  await stop(agent);
});

test('an agent may be started before its server', async () => {
  await task('5+5');
  await bridge.sshd.stop();
  const agent = await startAgentHere(bridge, standIn, { state: 'early' });
  await agent.waitFor('stderr', /trying again until it works/);

  await bridge.restartSshd();

  expect(await logged(1)).toEqual(['10']);
  expect(count(agent.stderr(), /trying again/)).toBe(1);
  await stop(agent);
});

test('--once gives up on a server that stays away, with an error and exit code 1', async () => {
  await bridge.sshd.stop();
  const ended = await runCli(
    ['agent', '--once', '--repo', bridge.sshUrl, '--state-dir', join(bridge.dir, 'state-once')],
    { env: bridge.principal('home-pc').env },
  );

  expect(ended).toMatchObject({ exitCode: 1, stdout: '' });
  expect(ended.stderr).toMatch(/^error: .*cannot be reached.*\ntry: .*$/m);
});

test('a lock that a living git holds on main is waited for, and the answer arrives when it is gone', async () => {
  await task('6+6');
  const tip = await gitOk(['rev-parse', 'refs/heads/main'], { gitDir: bridge.repoPath });
  const git = await gitWithMainLocked(
    { args: ['--git-dir', bridge.repoPath], env: bridge.ownerEnv },
    tip.trim(),
  );
  const agent = await startAgentHere(bridge, standIn, { state: 'lock' });
  // A push waits for the lock on the server; it is not taken away, and the answer stays with the agent.
  await agent.waitFor('stderr', /answered by llama3\.2/);
  expect(await bridge.answersLog()).toEqual([]);

  await git.finish();

  expect(await logged(1)).toEqual(['12']);
  // However long the lock was held: it is said once, or not at all.
  expect(count(agent.stderr(), /warn: /)).toBeLessThanOrEqual(1);
  expect(chatsOf(standIn)).toHaveLength(1);
  await stop(agent);
});

test('a key that is removed while the agent runs ends it with a clear error', async () => {
  const agent = await startAgent(bridge, standIn, { state: 'removed' });
  await agent.waitFor('stderr', /connected to .* as home-pc/);
  const { exitCode } = await runCliHere(
    [
      ...['key', 'remove', 'home-pc', '--repo', bridge.repoPath],
      ...['--authorized-keys', bridge.authorizedKeysFile],
    ],
    { env: bridge.ownerEnv },
  );
  expect(exitCode).toBe(0);
  await task('7+7');

  expect(await agent.exited).toEqual({ exitCode: 1, signal: null });
  // A session that sshd let in before the line went is ended by the forced command; a later one by sshd
  // itself.
  expect(agent.stderr()).toMatch(
    /^error: .*(the key home-pc is not known here, or was removed|did not accept the SSH key).*\ntry: .*$/m,
  );
  expect(await bridge.readLog()).toBe('');
});

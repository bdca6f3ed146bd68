import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path, { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BridgeStatus } from '../../src/admin/bridge-status.js';
import { defaultStateDir } from '../../src/agent/state-folder.js';
import { freePort } from '../../src/demo/free-port.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { gate, questionsOf } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { cleanEnv } from '../support/clean-env.js';
import { type RunningCli, startCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { git } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { tempDir } from '../support/temp-dir.js';
import { waitUntil } from '../support/wait-until.js';

let home: BridgeFixture;
let club: BridgeFixture;
let standIn: StandIn;
let dir: string;
/** Of the PC: its ssh has no key of its own, each profile names one. */
let env: Record<string, string>;

beforeAll(async () => {
  [home, club] = [await startBridgeFixture({ hooks: 'here' }), await startBridgeFixture({ hooks: 'here' })];
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  dir = await tempDir();
  env = cleanEnv(dir, {
    GIT_SSH_COMMAND:
      'ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR',
    XDG_CONFIG_HOME: join(dir, 'config'),
  });
  const { identityFile } = home.principal('home-pc');
  const { user, host } = home.sshd;
  const profiles = {
    home: { repo: home.sshUrl, identity: identityFile },
    club: { repo: club.sshUrl, identity: club.principal('home-pc').identityFile },
    // Nothing listens there; and a bridge that this key does not open.
    away: { repo: `ssh://${user}@${host}:${await freePort()}/away.git`, identity: identityFile },
    shut: { repo: `ssh://${user}@${host}:${home.sshd.port}/shut.git`, identity: identityFile },
  };
  await mkdir(join(dir, 'config', 'llm-bridge'), { recursive: true });
  await writeFile(join(dir, 'config', 'llm-bridge', 'config.json'), JSON.stringify({ profiles }));
});

function startAgent(names: readonly string[], ...args: string[]): Promise<RunningCli> {
  const repos = names.flatMap((name) => ['--repo', name]);
  const model = ['--ollama-url', standIn.ollamaUrl, '--lmstudio-url', standIn.lmstudioUrl];
  return startCli(['agent', ...repos, '--state-dir', join(dir, 'state'), ...model, ...args], { env });
}

async function ask(bridge: BridgeFixture, question: string): Promise<string> {
  const args = ['ask', '--no-wait', question, '--repo', bridge.repoPath];
  return (await runCliHere(args, { env: bridge.ownerEnv })).stdout.trim();
}

const answered = (bridge: BridgeFixture, task: string) =>
  waitUntil(
    async () => (await bridge.answersLog()).find((one) => one.task_commit === task) ?? false,
    `the answer to ${task}`,
    90_000,
  );

/** The agent has this task, and all before it; those of the fetch before are in its queue. */
async function fetched(bridge: BridgeFixture, task: string): Promise<void> {
  const folder = path.basename(defaultStateDir(bridge.sshUrl));
  const clone = { gitDir: path.join(dir, 'state', folder, 'bridge.git'), env };
  const isThere = async () =>
    (await git(['rev-parse', 'refs/remotes/bridge/main'], clone)).stdout.trim() === task;
  await waitUntil(isThere, `${task} at the agent`, 60_000);
}

async function stateOn(bridge: BridgeFixture): Promise<string | undefined> {
  const { stdout } = await runCliHere(['status', '--json', '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  return (JSON.parse(stdout) as BridgeStatus).agents[0]?.state;
}

test('one agent answers on several bridges in turns, whatever is wrong with another, and ends on all in good order', async () => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const first = await ask(home, 'home 1');
  const agent = await startAgent(['away', 'home', 'shut', 'club']);
  await agent.waitFor('stderr', /away\.git: .*trying again until it works/);
  await agent.waitFor('stderr', /shut\.git: .*the other bridges go on, this one is tried again/);
  await waitUntil(() => questionsOf(standIn).includes('home 1'), 'the first question at the model', 60_000);
  // Who floods one bridge does not hold up who asks one thing on another.
  const flood = [await ask(home, 'home 2'), await ask(home, 'home 3')];
  await fetched(home, flood[1] ?? '');
  const light = await ask(club, 'club 1');
  await fetched(club, light);
  await fetched(club, await ask(club, 'club 2'));
  held.open();
  for (const task of [first, ...flood]) expect(await answered(home, task)).toMatchObject({ error: null });
  expect(await answered(club, light)).toMatchObject({ agent: 'home-pc', error: null });
  const order = questionsOf(standIn);
  expect(order[0]).toBe('home 1');
  expect(order.indexOf('club 1')).toBeLessThan(order.indexOf('home 3'));
  await waitUntil(async () => (await club.answersLog()).length === 2, 'both answers of the club', 60_000);
  expect(questionsOf(standIn)).toHaveLength(5);

  agent.signal('SIGINT');
  expect(await agent.exited).toMatchObject({ exitCode: 0 });
  for (const bridge of [home, club]) expect(await stateOn(bridge)).toBe('stopped');
});

test('one that is killed takes up on each bridge what it had, nothing twice, and lets the PC sleep when nothing is left on any', async () => {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  const asked = questionsOf(standIn).length;
  const tasks = [
    [home, await ask(home, 'killed 1')],
    [club, await ask(club, 'killed 2')],
  ] as const;
  const agent = await startAgent(['home', 'club'], '--parallel', '2');
  await waitUntil(() => questionsOf(standIn).length === asked + 2, 'both questions at the model', 60_000);
  agent.signal('SIGKILL');
  await agent.exited;
  const asleep = join(dir, 'asleep');
  const sleeping = () => readFile(asleep, 'utf8').catch(() => '');
  const idle = ['--idle-after', '1s', '--idle-command', `echo asleep >>${asleep}`];
  const again = await startAgent(['home', 'club'], '--parallel', '2', ...idle);
  await waitUntil(() => questionsOf(standIn).length === asked + 4, 'both questions once more', 60_000);
  expect(await sleeping()).toBe('');
  held.open();
  for (const [bridge, task] of tasks) {
    await answered(bridge, task);
    expect((await bridge.answersLog()).filter((one) => one.task_commit === task)).toHaveLength(1);
  }
  await waitUntil(async () => (await sleeping()).startsWith('asleep\n'), 'the command', 60_000);
  again.signal('SIGTERM');
  await again.exited;
});

test('a bridge that is named twice, and a name that is none, is wrong use', async () => {
  for (const [repos, said] of [
    [['home', 'club', 'home'], 'is named twice'],
    [['home', 'nowhere'], 'there is no profile "nowhere"'],
  ] as const) {
    const args = ['agent', '--once', ...repos.flatMap((name) => ['--repo', name])];
    const { exitCode, stderr } = await runCliHere(args, { env });
    expect(stderr).toContain(said);
    expect(exitCode).not.toBe(0);
  }
});

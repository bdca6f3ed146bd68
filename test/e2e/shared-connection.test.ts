import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { errorText } from '../../src/protocol/bridge-error.js';
import { commandLineOf } from '../bench/process-usage.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { chatsOf, gate, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { type RunningCli, runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { freezeTree } from '../support/freeze-tree.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { tempDir } from '../support/temp-dir.js';
import { waitUntil } from '../support/wait-until.js';

let shared: BridgeFixture;
/** That one, or one of the test's own. */
let bridge: BridgeFixture;
let standIn: StandIn;
/** Where sockets are to be: a folder of this test alone. */
let runtimeDir: string;
let running: RunningAgent | undefined;
/** How many there were before this test. */
let base: { readonly answers: number; readonly logins: number };

beforeAll(async () => {
  shared = await startBridgeFixture({ hooks: 'here' });
});

async function start(on = shared): Promise<void> {
  bridge = on;
  runtimeDir = await tempDir();
  base = { answers: (await bridge.answersLog()).length, logins: await allLogins() };
}

beforeEach(async () => {
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

async function agentWith(env: Record<string, string> = {}): Promise<RunningAgent> {
  running = await startAgentHere(bridge, standIn, optionsWith(env));
  return running;
}

/** The built program, where its process ends. */
async function builtAgentWith(env: Record<string, string> = {}): Promise<RunningCli> {
  const built = await startAgent(bridge, standIn, optionsWith(env));
  running = built;
  return built;
}

function optionsWith(env: Record<string, string>) {
  return { state: 'one', env: { XDG_RUNTIME_DIR: runtimeDir, ...env } };
}

/** Asks on the server, and waits until the answer is in the log. */
async function answered(question: string): Promise<void> {
  const count = (await bridge.answersLog()).length - base.answers;
  // Each is its own, also one that was asked before.
  const content = JSON.stringify({ id: randomUUID(), prompt: question });
  await commitOnMain(bridge, { path: 'task.json', content });
  await logged(count + 1, `the answer to ${question}`);
}

/** Waits until so many answers of this test are in the log. */
async function logged(count: number, what: string): Promise<void> {
  const isThere = async () => (await bridge.answersLog()).length - base.answers >= count;
  await waitUntil(isThere, what).catch((error: unknown) => {
    throw new Error(`${errorText(error)}; the agent said:\n${running?.stderr()}`);
  });
}

/** How often somebody has logged in during this test. */
async function logins(): Promise<number> {
  return (await allLogins()) - base.logins;
}

async function allLogins(): Promise<number> {
  const text = await readFile(bridge.sshd.logFile, 'utf8').catch(() => '');
  return [...text.matchAll(/Accepted publickey/g)].length;
}

interface SshProcess {
  readonly pid: number;
  readonly words: readonly string[];
}

/** The ssh clients of this test, with the shells beside them: they name its files. */
async function sshProcesses(): Promise<SshProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      words: (await commandLineOf(Number(pid))).split('\0'),
    })),
  );
  return all.filter(({ words }) => words.some((word) => word.includes(bridge.sshd.knownHostsFile)));
}

/** It carries a fetch or a push. */
function isOfGit({ words }: SshProcess): boolean {
  return words.some((word) => /^git[- ](?:upload|receive)-pack /.test(word));
}

async function masterPid(): Promise<number> {
  const found = (await sshProcesses()).find(
    ({ words }) => words[0] === 'ssh' && words.includes('ControlMaster=yes'),
  );
  if (found === undefined) throw new Error('there is no master');
  return found.pid;
}

async function stop(agent: RunningAgent): Promise<void> {
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

test('an agent logs in once, whatever it does, in a private folder that goes with it', async () => {
  await start();
  const agent = await builtAgentWith();
  for (const question of ['1+1', '1+2', '1+3']) await answered(question);

  expect(await logins()).toBe(1);
  const [folder = '', ...more] = await readdir(runtimeDir);
  expect(more).toEqual([]);
  expect((await stat(join(runtimeDir, folder))).mode & 0o777).toBe(0o700);
  await stop(agent);
  expect(await readdir(runtimeDir)).toEqual([]);
  expect(await sshProcesses()).toEqual([]);
});

test('who asks over ssh and waits logs in once as well, and so does who looks', async () => {
  await start();
  const agent = await agentWith();
  await agent.waitFor('stderr', /connected to/);
  const env = { ...bridge.principal('bot').env, XDG_RUNTIME_DIR: runtimeDir };

  const asked = await runCli(['ask', '2+3', '--repo', bridge.sshUrl], { env });
  expect(asked).toMatchObject({ exitCode: 0, stdout: '5\n', stderr: '' });
  expect(await logins()).toBe(2);

  const status = await runCliHere(['status', '--repo', bridge.sshUrl, '--json'], { env });
  expect(JSON.parse(status.stdout)).toMatchObject({ answered: base.answers + 1 });
  expect(await logins()).toBe(3);
  expect(await readdir(runtimeDir)).toHaveLength(1);
  await stop(agent);
});

test('an agent that is killed leaves neither ssh nor folder behind, also while it waits and fetches', async () => {
  await start();
  const agent = await builtAgentWith();
  await answered('1+1');
  expect((await sshProcesses()).length).toBeGreaterThan(1);

  agent.signal('SIGKILL');
  await agent.exited;

  await waitUntil(async () => (await sshProcesses()).length === 0, 'the end of every ssh');
  await waitUntil(async () => (await readdir(runtimeDir)).length === 0, 'an empty folder');
});

test('a connection that was killed is made again by the next thing to do', async () => {
  await start();
  const agent = await agentWith();
  await answered('1+1');

  process.kill(await masterPid(), 'SIGKILL');
  await answered('1+2');

  await masterPid();
  expect(await logins()).toBe(2);
  expect(agent.stderr()).not.toMatch(/^error:/m);
  await stop(agent);
});

test('a folder that a cleaner of temporary files took away is made again, with its connection', async () => {
  await start();
  const agent = await agentWith();
  await answered('1+1');
  const [folder = ''] = await readdir(runtimeDir);
  await rm(join(runtimeDir, folder), { recursive: true });

  await answered('1+2');

  expect(await readdir(runtimeDir)).toEqual([folder]);
  expect((await stat(join(runtimeDir, folder))).mode & 0o777).toBe(0o700);
  expect(await logins()).toBe(2);
  expect(agent.stderr()).not.toMatch(/warn|error/);
  await stop(agent);
});

test('a master that is stopped holds nobody up', async () => {
  await start(await startBridgeFixture({ hooks: 'here' }));
  // Without claims and presences the answer is all that is pushed, and each push logs in alone here.
  const at = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  await gitOk(['config', '--unset-all', 'bridge.claimLease'], at);
  const held = gate();
  standIn.behave = ({ question }) => (question === '1+2' ? { firstTokenAfter: held.opened } : {});
  const agent = await agentWith();
  await answered('1+1');
  await commitOnMain(bridge, { path: 'task.txt', content: '1+2' });
  await waitUntil(() => chatsOf(standIn).length === 2, 'the question at the model server');
  // A git that is on its way over the master when that stops would wait for it, and the push for that git.
  await waitUntil(async () => !(await sshProcesses()).some(isOfGit), 'the end of every fetch and push');

  process.kill(await masterPid(), 'SIGSTOP');
  held.open();
  // The push finds the master silent, and does without it.
  await logged(2, 'the answer');

  expect(await logins()).toBe(2);
  await stop(agent);
  // What ends the stopped master with this agent takes a moment longer than the agent, which has no process.
  await waitUntil(async () => (await sshProcesses()).length === 0, 'the end of every ssh');
});

test('an agent whose master is stopped ends all the same', async () => {
  await start();
  const agent = await builtAgentWith();
  await answered('1+1');
  process.kill(await masterPid(), 'SIGSTOP');

  await stop(agent);

  expect(await sshProcesses()).toEqual([]);
  expect(await readdir(runtimeDir)).toEqual([]);
});

test('a connection that went silent is noticed by ssh, and everything goes on over a new one', async () => {
  await start();
  const { GIT_SSH_COMMAND = '' } = bridge.principal('home-pc').env;
  // The user's own option wins over ours, and a test cannot wait for 45 s.
  const agent = await agentWith({ GIT_SSH_COMMAND: `${GIT_SSH_COMMAND} -o ServerAliveInterval=1` });
  await answered('1+1');
  // Read first: on a busy machine ssh may have given the silent one up before it is read.
  const before = await waitUntil(() => masterPid().catch(() => null), 'a master');
  const thaw = await freezeTree(bridge.sshd.pid);
  await waitUntil(async () => (await masterPid().catch(() => 0)) !== before, 'the end of the silent master');
  thaw();

  await answered('1+2');
  expect(await logins()).toBeGreaterThan(1);
  await stop(agent);
});

test('where the server allows one session a connection, what does not fit makes a connection of its own', async () => {
  await start(await startBridgeFixture({ sshdConfig: ['MaxSessions 1'], hooks: 'here' }));
  const agent = await agentWith();
  await answered('1+1');
  await answered('1+2');
  expect(agent.stderr()).not.toMatch(/warn|error/);
  await stop(agent);
});

/** Settings of a user who shares connections at a place of their own, and that place. */
async function usersSharing(): Promise<{ env: Record<string, string>; socket: string }> {
  const dir = await tempDir();
  const config = join(dir, 'ssh_config');
  const socket = join(dir, 'theirs');
  await writeFile(config, `Host *\n  ControlMaster auto\n  ControlPath ${socket}\n  ControlPersist 60\n`);
  const { GIT_SSH_COMMAND = '' } = bridge.principal('home-pc').env;
  return { env: { GIT_SSH_COMMAND: GIT_SSH_COMMAND.replace('/dev/null', config) }, socket };
}

test('a connection that the user shares already is the one that is used, and it stays', async () => {
  await start();
  const { env, socket } = await usersSharing();
  const { GIT_SSH_COMMAND = '' } = env;
  const login = `${GIT_SSH_COMMAND} -o ControlPersist=no -N ${bridge.sshd.user}@${bridge.sshd.host}`;
  const theirs = spawn('sh', ['-c', `exec ${login}`], { stdio: 'ignore' });
  onCleanup(() => void theirs.kill());
  await waitUntil(() => stat(socket).catch(() => null), 'the connection of the user');

  const agent = await agentWith(env);
  await answered('1+1');

  expect(await logins()).toBe(1);
  expect(await readdir(runtimeDir)).toEqual([]);
  await stop(agent);
  expect(theirs.exitCode).toBeNull();
});

test('where the user would share connections but has none open, ours is the one, and none of theirs is made', async () => {
  await start();
  const { env, socket } = await usersSharing();
  const agent = await agentWith(env);
  await answered('1+1');

  expect(await logins()).toBe(1);
  expect(await readdir(runtimeDir)).toHaveLength(1);
  await expect(stat(socket)).rejects.toThrow(/ENOENT/);
  await stop(agent);
});

test('options for sharing in the ssh command of the user cannot be overruled, so theirs hold', async () => {
  await start();
  const socket = join(await tempDir(), 'theirs');
  const { GIT_SSH_COMMAND = '' } = bridge.principal('home-pc').env;
  const agent = await agentWith({ GIT_SSH_COMMAND: `${GIT_SSH_COMMAND} -o ControlPath=${socket}` });
  await answered('1+1');

  expect(await readdir(runtimeDir)).toEqual([]);
  await stop(agent);
});

test('a program that is not OpenSSH is used as it is, a connection each time', async () => {
  await start();
  const { GIT_SSH_COMMAND = '' } = bridge.principal('home-pc').env;
  const program = join(bridge.dir, 'my-client');
  await writeFile(program, `#!/bin/sh\nexec ${GIT_SSH_COMMAND} "$@"\n`);
  await chmod(program, 0o755);
  const agent = await agentWith({ GIT_SSH_COMMAND: program, GIT_SSH_VARIANT: 'ssh' });
  await answered('1+1');

  expect(await readdir(runtimeDir)).toEqual([]);
  expect(await logins()).toBeGreaterThan(2);
  await stop(agent);
});

test('a folder for temporary files with a path too long for a socket is passed over', async () => {
  await start();
  const long = join(bridge.dir, 'x'.repeat(100));
  await mkdir(long);
  const agent = await builtAgentWith({ XDG_RUNTIME_DIR: '', TMPDIR: long });
  await answered('1+1');
  expect(await logins()).toBe(1);
  expect(await readdir(long)).toEqual([]);
  await stop(agent);
});

test('what the agent pushes itself makes it fetch nothing', async () => {
  await start(await startBridgeFixture({ hooks: 'here' }));
  const trace = join(bridge.dir, 'trace');
  const agent = await agentWith({ GIT_TRACE: trace });
  // That a new agent is there rings once, and each who hears it fetches. The rings of the tasks come behind.
  const bell = join(bridge.repoPath, 'bridge', 'bell');
  await waitUntil(
    async () => (await readFile(bell, 'utf8').catch(() => '')) !== '',
    'the ring of the new agent',
  );
  await answered('1+1');
  // By git, or in a session that was opened ahead.
  const FETCH = /built-in: git (?:fetch |unpack-objects -q --strict)/g;
  const fetches = async () => [...(await readFile(trace, 'utf8')).matchAll(FETCH)].length;
  // What its start rang may be heard late, and costs a fetch then. What its own pushes cost would come with
  // every question.
  const costs: number[] = [];
  for (const number of [2, 3, 4, 5]) {
    const before = await fetches();
    await answered(`1+${number}`);
    costs.push((await fetches()) - before);
  }
  expect(Math.min(...costs), `fetches for each question: ${costs}`).toBe(1);
  await stop(agent);
});

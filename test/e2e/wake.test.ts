import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { access, appendFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import type { BridgeStatus } from '../../src/admin/bridge-status.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { isFetch, readGitStarts } from '../bench/git-trace.js';
import { commandLineOf, megabytesOnce, programOf, treeOf, usageOf } from '../bench/process-usage.js';
import { type AgentHereOptions, type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { type RunningCli, startCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { droppingEnv } from '../support/dropping-ssh.js';
import { botAsks, runFrom } from '../support/from-place.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

const MAC = 'a8:5e:45:01:02:03';
const PACKET = `ffffffffffff${'a85e45010203'.repeat(16)}`;

let bridge: BridgeFixture;
let standIn: StandIn;
/** The packets that came to the network of the PC. */
const packets: string[] = [];
let port: number;

beforeAll(async () => {
  bridge = await startBridgeFixture({
    hooks: 'here',
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'pi', role: 'agent' },
      { name: 'bot', role: 'asker' },
    ],
  });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const receiver = createSocket('udp4');
  onCleanup(() => void receiver.close());
  receiver.on('message', (packet) => packets.push(packet.toString('hex')));
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  port = receiver.address().port;
});

const agent = (options: Partial<AgentHereOptions> = {}) =>
  startAgentHere(bridge, standIn, { state: 'pc', ...options });

async function stop(running: RunningAgent): Promise<void> {
  running.signal('SIGTERM');
  await running.exited;
}

function wake(args: readonly string[] = [], more: Record<string, string> = {}): Promise<RunningCli> {
  const to = ['--mac', MAC, '--broadcast', '127.0.0.1', '--port', String(port)];
  const env = { ...bridge.principal('pi').env, ...more };
  return startCli(['wake', ...to, ...args, '--repo', bridge.sshUrl], { env });
}

async function status(): Promise<BridgeStatus> {
  const { stdout } = await runCliHere(['status', '--json', '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  return JSON.parse(stdout) as BridgeStatus;
}

/** By the path, which costs less than the bot's way over ssh. */
async function ask(...args: string[]): Promise<string> {
  return (await runFrom(bridge, 'local', ['ask', '--no-wait', ...args])).stdout.trim();
}

const isAnswered = (task: string) => async () =>
  (await bridge.answersLog()).some((record) => record.task_commit === task && record.error === null);

const isThere = async () => (await status()).agents.some(({ state }) => state === 'running');

/** So many packets have come in all. */
const came = (count: number) => waitUntil(() => packets.length >= count, `packet ${count}`);

test('a task that waits for a PC that sleeps sends the packet, says so in status, and is answered when the PC is there', async () => {
  const first = await agent();
  await waitUntil(isThere, 'the presence of home-pc');
  const pi = await wake(['--command', `echo woken >>${join(bridge.dir, 'woken')}`]);
  await pi.waitFor('stderr', /watching ssh:/);
  const easy = await ask('1+1');
  await waitUntil(isAnswered(easy), 'an answer of the PC that is awake');
  expect(packets).toEqual([]);

  await stop(first);
  const task = await botAsks(bridge, '2+2');
  await came(1);
  expect(packets).toEqual([PACKET]);
  const isSaid = async () => {
    const { waking, agents, attendance } = await status();
    return waking.length > 0 && { waking, agents, attendance };
  };
  const said = await waitUntil(isSaid, 'status to say who is woken');
  expect(said.waking).toEqual([{ by: 'pi', task, agents: ['home-pc'], since: expect.any(String) }]);
  // The one that wakes is no agent, neither in the list nor as the one that was seen last.
  expect(said.agents.map(({ name, state }) => [name, state])).toEqual([['home-pc', 'stopped']]);
  expect(said.attendance).toMatchObject({ state: 'absent', problem: expect.stringContaining('home-pc') });
  const plain = await runCliHere(['status', '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
  expect(plain.stdout).toMatch(/pi: waking home-pc, for /);
  await waitUntil(
    async () => (await readFile(join(bridge.dir, 'woken'), 'utf8').catch(() => '')) === 'woken\n',
    'the command',
  );

  await agent();
  await waitUntil(isAnswered(task), 'the answer of the PC that was woken');
  await pi.waitFor('stderr', /an agent is there, or nothing waits any more/);
  expect((await status()).waking).toEqual([]);
  expect(packets).toHaveLength(1);
});

/** How often the key of the Pi has logged in. */
async function loginsOfPi(): Promise<number> {
  const { stdout } = await promisify(execFile)('ssh-keygen', ['-lf', bridge.principal('pi').publicKeyFile]);
  const key = stdout.split(' ')[1] ?? '';
  const lines = (await readFile(bridge.sshd.logFile, 'utf8')).split('\n');
  return lines.filter((line) => line.includes('Accepted publickey') && line.includes(key)).length;
}

/** What asks ssh for its settings or logs in is gone, and so is the shared connection. */
async function onlyListens({ pid }: RunningCli): Promise<boolean> {
  const words = await Promise.all((await treeOf(pid)).slice(1).map(commandLineOf));
  return words.length > 0 && words.every((line) => line.includes('bridge-wait'));
}

/** What a process and its ssh hold. Not as root, what both have is counted twice: it is 2 MB. */
async function held(pid: number): Promise<number> {
  const pids = await treeOf(pid);
  return (await megabytesOnce(pids)) ?? (await usageOf(pids)).megabytes - 2;
}

test('while nothing waits it fetches nothing, though the doorbell rings, and holds at most 60 MB with its ssh, after work too', async () => {
  const before = packets.length;
  const trace = join(bridge.dir, 'wake.trace');
  const pi = await wake([], { GIT_TRACE2_EVENT: trace });
  await pi.waitFor('stderr', /watching ssh:/);
  const fetches = async () => (await readGitStarts(trace)).filter(isFetch).length;
  const atStart = await fetches();
  // As for an agent that is new.
  await appendFile(join(bridge.repoPath, 'bridge', 'bell'), `${'0'.repeat(40)} agent\n`);
  // Before that it holds more, and to count each page of five processes costs ten times this look.
  const isLittle = async () => (await onlyListens(pi)) && (await held(pi.pid)) <= 60;
  await waitUntil(isLittle, 'at most 60 MB');
  expect(await fetches()).toBe(atStart);
  const task = await ask('6+6');
  await came(before + 1);
  expect(await fetches()).toBeGreaterThan(atStart);
  const pc = await agent();
  await waitUntil(isAnswered(task), 'the answer of the PC that was woken');
  await pi.waitFor('stderr', /an agent is there, or nothing waits any more/);

  // It looks at each of these, and what follows soon needs no login of its own.
  const logins = await loginsOfPi();
  const questions = ['7+1', '7+2', '7+3', '7+4', '7+5', '7+6'];
  for (const question of questions)
    await waitUntil(isAnswered(await ask(question)), `the answer to ${question}`);
  expect((await loginsOfPi()) - logins).toBeLessThan(questions.length / 2);
  await stop(pc);
  await waitUntil(isLittle, 'at most 60 MB again');
  await stop(pi);
});

test('one that is killed while it only listens leaves no ssh and no folder', async () => {
  const tmp = join(bridge.dir, 't');
  await mkdir(tmp);
  const pi = await wake([], { TMPDIR: tmp, XDG_RUNTIME_DIR: '' });
  await pi.waitFor('stderr', /watching ssh:/);
  await waitUntil(() => onlyListens(pi), 'the one ssh that waits');
  // That of the socket, while the shared connection rests; the clone is another.
  const empty = async () => {
    const folders = (await readdir(tmp)).map((name) => join(tmp, name));
    const sizes = await Promise.all(folders.map(async (folder) => (await readdir(folder)).length));
    return folders.filter((_folder, at) => sizes[at] === 0);
  };
  await waitUntil(async () => (await empty()).length === 1, 'the folder of the socket');
  const [, ...helpers] = await treeOf(pi.pid);
  pi.signal('SIGKILL');
  await pi.exited;
  const isGone = async (pid: number) => (await programOf(pid)) === '';
  await waitUntil(async () => (await Promise.all(helpers.map(isGone))).every(Boolean), 'the end of its ssh');
  await waitUntil(async () => (await empty()).length === 0, 'the end of the folder');
});

test('one that is killed while it wakes starts again where it was, and leaves nothing that counts', async () => {
  const before = packets.length;
  const pi = await wake();
  await pi.waitFor('stderr', /watching ssh:/);
  const task = await ask('3+3');
  await came(before + 1);
  pi.signal('SIGKILL');
  await pi.exited;
  const again = await wake();
  await came(before + 2);
  await again.waitFor('stderr', /waits: waking home-pc/);
  const command = `echo asleep >>${join(bridge.dir, 'asleep')}`;
  const pc = await agent({ idle: { afterMs: 1_000, command } });
  await waitUntil(isAnswered(task), 'the answer');
  // With nothing left to do the PC may sleep; the line of the shell stands for that.
  await pc.waitFor('stderr', /nothing to do for 1 s: running --idle-command/);
  await waitUntil(
    async () => (await readFile(join(bridge.dir, 'asleep'), 'utf8').catch(() => '')).startsWith('asleep\n'),
    'the command',
  );
  await again.waitFor('stderr', /an agent is there, or nothing waits any more/);
});

test('an agent that is there with other models wakes nobody by itself, and a task for the model of the one that sleeps does', async () => {
  const before = packets.length;
  const other = await startStandIn({ models: { ollama: ['qwen3:8b'], lmstudio: [], openai: [] } });
  onCleanup(() => other.close());
  const office = await bridge.addPrincipal('office', 'agent');
  await startAgentHere(bridge, other, { as: office.name, state: 'office' });
  const isOfficeThere = async () =>
    (await status()).agents.some(({ name, state }) => name === 'office' && state === 'running');
  await waitUntil(isOfficeThere, 'the presence of the office');
  // The connection for the long task below breaks once.
  const drop = { service: 'git-upload-pack', when: 'question', says: 'deepen [0-9]' } as const;
  const flaky = droppingEnv(bridge, 'pi', drop);
  const pi = await wake([], flaky.env);
  await pi.waitFor('stderr', /watching ssh:/);
  const easy = await ask('4+4', '--model', 'qwen3:8b');
  await waitUntil(isAnswered(easy), 'the answer of the office');
  expect(packets).toHaveLength(before);

  // Too long to come with the rest of the history: it is fetched to see which model it names.
  const task = await ask('5+5', '--model', 'llama3.2', '--system', 'Be brief. '.repeat(7_000));
  await came(before + 1);
  await access(flaky.done);
  const isSaid = async () => (await status()).waking.find((one) => one.task === task);
  expect(await waitUntil(isSaid, 'status to say who is woken')).toMatchObject({
    agents: ['home-pc'],
  });
  await agent();
  await waitUntil(isAnswered(task), 'the answer of the PC that was woken');
});

test('how a PC is woken, and when it sleeps, has to be said whole', async () => {
  const { env } = bridge.principal('pi');
  for (const args of [
    ['wake'],
    ['wake', '--mac', 'ff:ff:ff:ff:ff:ff'],
    ['agent', '--idle-after', '10m'],
    ['agent', '--idle-after', '0s', '--idle-command', 'x'],
  ]) {
    expect(await runCliHere([...args, '--repo', bridge.sshUrl], { env })).toMatchObject({ exitCode: 2 });
  }
});

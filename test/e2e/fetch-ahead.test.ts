import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { endSessions } from '../../src/admin/end-sessions.js';
import { type BridgeConnection, closeConnection, openConnection } from '../../src/bridge/connection.js';
import { type FetchAhead, openFetchAhead } from '../../src/bridge/fetch-ahead.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { isFetch, isTakenAhead, readGitStarts } from '../bench/git-trace.js';
import { startAgentHere } from '../support/agent-here.js';
import { startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { droppingEnv } from '../support/dropping-ssh.js';
import { gitOk } from '../support/git.js';
import { openRawClient } from '../support/hostile/raw-client.js';
import { serverProcesses } from '../support/hostile/server-state.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

// SECURITY.md: P3

let standIn: StandIn;
let bridge: BridgeFixture;
let agents = 0;
let questions = 0;

beforeAll(async () => {
  standIn = await startStandIn();
  onCleanup(standIn.close);
  bridge = await startBridgeFixture();
});

const owner = () => ({ gitDir: bridge.repoPath, env: bridge.ownerEnv });
const onServer = async (...args: string[]) => (await gitOk(args, owner())).trim();
const tip = () => onServer('rev-parse', MAIN_REF);
const waiting = (who = 'home-pc') =>
  serverProcesses(bridge.repoPath, who).filter(({ command }) => /^dd bs=1/.test(command)).length;

/** An agent with its trace of git; the built program, or one in this process. */
async function agent(env: Record<string, string> = {}, start: typeof startAgentHere = startAgentHere) {
  agents += 1;
  const trace = join(bridge.dir, `trace-${agents}`);
  const options = { state: `a${agents}`, env: { GIT_TRACE2_EVENT: trace, ...env } };
  const running = await start(bridge, standIn, options);
  await running.waitFor('stderr', /connected to/);
  const fetches = async () => (await readGitStarts(trace)).filter(isFetch).length;
  const ahead = async () => (await readGitStarts(trace)).filter(isTakenAhead).length;
  return { running, fetches, ahead };
}

/** Another one each time: a task that is on main already would be no new one. */
function nextQuestion(): string {
  questions += 1;
  return `${questions}+${questions}`;
}

async function answered(question: string): Promise<void> {
  const before = (await bridge.answersLog()).length;
  await commitOnMain(bridge, { path: 'task.txt', content: question });
  await waitUntil(async () => (await bridge.answersLog()).length > before, `the answer to ${question}`);
}

/** Asks until a session waits: none is opened where a ring comes beside a fetch that is due anyway. */
async function untilHeld(): Promise<void> {
  for (let tries = 0; tries < 8; tries += 1) {
    await answered(nextQuestion());
    const isHeld = await waitUntil(() => waiting() === 1, 'a session waits', 3_000).catch(() => false);
    if (isHeld) return;
  }
  throw new Error('no session waits after eight questions');
}

async function open(): Promise<FetchAhead> {
  const { env, home } = bridge.principal('home-pc');
  const XDG_RUNTIME_DIR = join(home, 'run');
  await mkdir(XDG_RUNTIME_DIR, { mode: 0o700, recursive: true });
  const connection: BridgeConnection = await openConnection(bridge.sshUrl, { ...env, XDG_RUNTIME_DIR });
  onCleanup(() => closeConnection(connection));
  const session = openFetchAhead(connection);
  if (session === null) throw new Error('there is no shared connection');
  onCleanup(() => session.close());
  return session;
}

/** What the server says to one line of a client. */
async function said(line: string, who = 'home-pc') {
  const client = openRawClient(bridge, bridge.principal(who), 'bridge-fetch');
  client.send(line);
  client.end();
  const { exitCode, stdout, stderr } = await client.closed;
  return { exitCode, stdout: stdout.toString('latin1'), stderr };
}

test('a question that follows another comes through the session that was opened for it', async () => {
  const { ahead } = await agent({}, startAgent);
  const before = (await bridge.answersLog()).length;
  const first = questions;
  // A look of the agent, soon after its start, may come first.
  for (let tries = 0; tries < 4 && (await ahead()) === 0; tries += 1) {
    await untilHeld();
    await answered(nextQuestion());
  }
  expect(await ahead()).toBeGreaterThanOrEqual(1);
  const answers = (await bridge.answersLog()).slice(before).map(({ answer }) => answer);
  expect(answers).toEqual(Array.from({ length: questions - first }, (_, at) => `${2 * (first + at + 1)}`));
});

test.each(['before', 'question', 'answer', 'unheard'] as const)(
  'a session that breaks (%s) costs no question',
  async (when) => {
    const flaky = droppingEnv(bridge, 'home-pc', { service: 'bridge-fetch', when });
    await agent(flaky.env);
    const before = (await bridge.answersLog()).length;
    const first = questions;
    for (let tries = 0; tries < 8 && !existsSync(flaky.done); tries += 1) {
      await answered(nextQuestion());
      await waitUntil(() => waiting() === 1 || existsSync(flaky.done), 'a session', 3_000).catch(() => {});
    }
    expect(existsSync(flaky.done)).toBe(true);
    await answered(nextQuestion());
    expect(await bridge.answersLog()).toHaveLength(before + questions - first);
  },
);

test('it has the id of main and what is new there, and one that is removed has nothing', async () => {
  const from = await tip();
  const session = await open();
  await waitUntil(() => waiting() === 1, 'the session waits');
  expect(session.isOpen()).toBe(true);
  await commitOnMain(bridge, { path: 'task.txt', content: 'what is new' });
  const fetched = await session.fetch(from, AbortSignal.timeout(30_000));
  expect(fetched?.tip).toBe(await tip());
  // The commit, its tree, and the file.
  expect(fetched?.pack.readUInt32BE(8)).toBe(3);
  expect(session.isOpen()).toBe(false);

  const removed = await open();
  await waitUntil(() => waiting() === 1, 'the session waits');
  await endSessions(bridge.repoPath, 'home-pc');
  await waitUntil(() => !removed.isOpen(), 'it is known to be over');
  expect(await removed.fetch(from, AbortSignal.timeout(30_000))).toBeNull();
});

test('what a client says is the id of a commit, and nothing but main comes', async () => {
  const from = await tip();
  const hidden = (
    await gitOk(['hash-object', '-w', '--stdin'], { ...owner(), input: 'a secret of the owner' })
  ).trim();
  const behind = await onServer(
    'commit-tree',
    `${from}^{tree}`,
    '-p',
    from,
    '-m',
    'of a branch of the owner',
  );
  await onServer('update-ref', 'refs/heads/private', behind);
  await commitOnMain(bridge, { path: 'task.txt', content: 'what nobody has asked before' });
  const whole = `${await tip()}\n`;

  expect(await said('')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  const lines = ['main\n', `${from.slice(1)}\n`, `^${from.slice(1)}\n`, '--all\n', `${from.toUpperCase()}\n`];
  for (const line of [...lines, `${'a'.repeat(70)}\n`, 'PACK'.repeat(10_000)]) {
    expect(await said(line), line.slice(0, 50)).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/^llm-bridge: this key opens no shell/),
    });
  }
  // Whether an object is here cannot be learned: a file that is, one that is not.
  expect(await said(`${hidden}\n`)).toEqual(await said(`${'0123'.repeat(10)}\n`));
  expect((await said(`${hidden}\n`)).stdout).toBe(whole);
  // From a commit that is none of main, all of main comes that this commit has not.
  const off = Buffer.from((await said(`${behind}\n`)).stdout, 'latin1');
  expect(off.toString('latin1', 0, whole.length)).toBe(whole);
  expect(off.readUInt32BE(whole.length + 8)).toBe(3);
  // An asker may fetch, so it may do this.
  expect((await said(`${from}\n`, 'bot')).stdout.startsWith(`${whole}PACK`)).toBe(true);
  await waitUntil(() => serverProcesses(bridge.repoPath, 'home-pc').length === 0, 'nothing of it stays');
});

test('where another agent is there, git fetches, because only git brings what that one says', async () => {
  bridge = await startBridgeFixture();
  await bridge.addPrincipal('office', 'agent');
  const { ahead, fetches } = await agent();
  await answered('1+1');
  const other = await startAgentHere(bridge, standIn, { as: 'office', state: 'office' });
  await other.waitFor('stderr', /connected to/);
  await waitUntil(
    async () => (await onServer('for-each-ref', 'refs/bridge/agents/')).split('\n').length === 2,
    'both are there',
  );
  const before = { git: await fetches(), ahead: await ahead() };
  for (const question of ['2+2', '3+3']) await answered(question);
  expect(await fetches()).toBeGreaterThan(before.git);
  expect(await ahead()).toBe(before.ahead);
});

test('main set back is told as it is to every agent', async () => {
  bridge = await startBridgeFixture();
  const { running } = await agent();
  await untilHeld();
  const root = await onServer('rev-list', '--max-parents=0', MAIN_REF);
  const tree = await onServer('rev-parse', `${root}^{tree}`);
  const other = await onServer('commit-tree', tree, '-p', root, '-m', 'another history');
  await onServer('update-ref', MAIN_REF, other);
  await running.waitFor('stderr', /was rewound or rewritten/);
  expect((await running.exited).exitCode).not.toBe(0);
});

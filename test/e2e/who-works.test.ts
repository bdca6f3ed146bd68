import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/demo/free-port.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { claimRef } from '../../src/protocol/claim.js';
import { type Presence, presenceRef } from '../../src/protocol/presence.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { gate } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { startCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { PLACES, type Place, runFrom } from '../support/from-place.js';
import { git } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { waitUntil } from '../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;
let agent: RunningAgent;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  agent = await startAgentHere(bridge, standIn, { state: 'who' });
  await agent.waitFor('stderr', /connected to/);
  // One model server may have told its models before the other.
  await waitUntil(async () => (await presence())?.models.includes('llama3.2:latest'), 'its models');
});

/** What the agent has said of itself, read where it is written, without a start of node for each look. */
async function presence(): Promise<Presence | null> {
  const word = ['cat-file', 'blob', presenceRef('home-pc')];
  const { exitCode, stdout } = await git(word, { gitDir: bridge.repoPath });
  return exitCode === 0 ? (JSON.parse(stdout) as Presence) : null;
}

/** The model says nothing until this is opened, at the latest at the end of the test. */
function heldModel() {
  const held = gate();
  onTestFinished(held.open);
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  return held;
}

/**
 * Runs a command of `src` in this process, as the owner by the path, or as the bot over ssh. One at a time.
 */
const read = (where: Place, ...args: string[]) => runFrom(bridge, where, args);

/** Waits until an agent has claimed the task, without a start of node for each look. */
async function claimed(task: string): Promise<void> {
  const claim = join(bridge.repoPath, claimRef(task));
  await waitUntil(
    () =>
      access(claim).then(
        () => true,
        () => false,
      ),
    `a claim on ${task}`,
  );
}

async function agentsOf(where: Place): Promise<Record<string, unknown>[]> {
  const { stdout } = await read(where, 'status', '--json');
  return (JSON.parse(stdout) as { agents: Record<string, unknown>[] }).agents;
}

test.each(PLACES)('a task that an agent is at is running for list and status, %s', async (where) => {
  const held = heldModel();
  const { stdout } = await read(where, 'ask', '--no-wait', `1+1 ${where}`);
  const task = stdout.trim();

  await claimed(task);
  // A slow machine claims the task while it still waits for the list of models.
  const [row] = await waitUntil(async () => {
    const { stdout: listed } = await read(where, 'list', '--state', 'running', '--json');
    return listed.includes('"phase":"waiting"') || listed === '' ? null : [JSON.parse(listed) as unknown];
  }, 'a running task');

  expect(row).toMatchObject({
    ...{ task, state: 'running', agent: 'home-pc', answered_at: null },
    work: { model: 'llama3.2:latest', phase: 'loading', since: expect.stringMatching(/Z$/) },
  });
  const status = JSON.parse((await read(where, 'status', '--json')).stdout) as Record<string, unknown>;
  const { work, agent: by } = row as { work: object; agent: string };
  // The two commands say the same, to the instant.
  expect(status).toMatchObject({
    pending: [],
    running: [{ task, agent: by, ...work }],
    attendance: { state: 'present', since: null, problem: null },
  });
  expect((await read(where, 'list')).stdout).toMatch(
    new RegExp(
      `^${task.slice(0, 8)}  running .*  \\S+: 1\\+1 ${where}  →  by home-pc, llama3\\.2:latest, loading, for (?:under )?\\d+ s$`,
      'm',
    ),
  );
  expect(await agentsOf(where)).toMatchObject([
    {
      name: 'home-pc',
      state: 'running',
      seen_at: expect.stringMatching(/Z$/),
      age_ms: expect.any(Number),
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      backends: expect.arrayContaining(['ollama']),
      models: expect.arrayContaining(['llama3.2:latest']),
      parallel: 1,
      busy: [task],
    },
  ]);
  expect((await read(where, 'status')).stdout).toMatch(
    new RegExp(
      `^  home-pc: running, seen .* ago, busy with ${task.slice(0, 8)}; ollama.*: .*llama3\\.2`,
      'm',
    ),
  );

  held.open();
  const isLogged = async () => (await bridge.answersLog()).some((one) => one.task_commit === task);
  await waitUntil(isLogged, 'the answer in the log');
  await waitUntil(async () => (await read(where, 'answer', task)).exitCode === 0, 'the answer');
  expect((await read(where, 'list', '--state', 'running')).stdout).toBe('');
  expect(await agentsOf(where)).toMatchObject([{ name: 'home-pc', busy: [] }]);
});

test.each(PLACES)('on a terminal ask says who is at it, and for how long, %s', async (where) => {
  const held = heldModel();
  const asking =
    where === 'local'
      ? await startOnTerminal(['ask', '20+2', '--repo', bridge.repoPath], bridge.ownerEnv)
      : await startOnTerminal(['ask', '30+3', '--repo', bridge.sshUrl], bridge.principal('bot').env);
  if (asking === null) return;
  // On a slow machine answers have taken seconds by now, and what is usual is told.
  await asking.waitFor(
    /asked as [0-9a-f]{8}, seen by home-pc, loading \(llama3\.2:latest\)(?:, usually [0-9]+ \w+)?… [1-9][0-9]* s/,
  );
  // What was claimed is drawn at once, before there is a second to tell.
  expect(asking.shown()).not.toContain(' ms');
  held.open();

  expect(await asking.exited).toBe(0);
  expect(asking.shown()).toContain(where === 'local' ? '22\r\n' : '33\r\n');
});

test('whoever waits over ssh goes on waiting where a cleaner of temporary files takes its folder away', async () => {
  const held = heldModel();
  const temp = join(bridge.dir, 'temp');
  await mkdir(temp);
  const env = { ...bridge.principal('bot').env, TMPDIR: temp };
  const asking = await startCli(['ask', '60+6', '--repo', bridge.sshUrl], { env });
  const watching = await startCli(['status', '--watch', '--json', '--repo', bridge.sshUrl], { env });
  await watching.waitFor('stdout', /"running":\[\{"task"/);
  for (const name of await readdir(temp)) await rm(join(temp, name), { recursive: true, maxRetries: 10 });
  held.open();

  expect(await asking.exited).toEqual({ exitCode: 0, signal: null });
  expect(asking.stdout()).toBe('66\n');
  await watching.waitFor('stdout', /"running":\[\][^\n]*"subject":"answer \w{8}: 66 /);
  watching.signal('SIGTERM');
  await watching.exited;
  expect(await readdir(temp)).toEqual([]);
});

test('an agent that ended in good order is stopped', async () => {
  agent.signal('SIGTERM');
  await agent.exited;

  expect(await agentsOf('local')).toMatchObject([{ name: 'home-pc', state: 'stopped', busy: [] }]);
  expect((await read('local', 'status')).stdout).toMatch(/^ {2}home-pc: stopped, seen .* ago; /m);
});

test('ask says on stderr since when no agent is there, status and doctor warn, and who comes back is named', async () => {
  const since = /no agent is there since (\S+Z) \(home-pc, (?:under )?\d+ (?:s|min) ago\)/;
  const { env } = bridge.principal('bot');
  const asking = await startCli(['ask', '40+2', '--repo', bridge.sshUrl], { env });
  const short = await read('local', 'ask', '40+3', '--timeout', '1');
  const [, seenAt = ''] = await asking.waitFor('stderr', since);
  expect(short).toMatchObject({ exitCode: 75, stdout: '' });
  expect(since.exec(short.stderr)?.[1]).toBe(seenAt);
  for (const where of PLACES) {
    const status = JSON.parse((await read(where, 'status', '--json')).stdout) as Record<string, unknown>;
    expect(status).toMatchObject({ running: [], attendance: { state: 'absent', since: seenAt } });
    expect(since.exec((await read(where, 'status')).stdout)?.[1]).toBe(seenAt);
  }
  const doctors = [
    await read('local', 'doctor', '--json'),
    await read('ssh', 'doctor', '--json', '--role', 'asker'),
  ];
  for (const { stdout } of doctors) {
    const findings = JSON.parse(stdout) as { check: string; status: string; text: string }[];
    const found = findings.find(({ check }) => check === 'agents');
    expect(found).toMatchObject({ status: 'warning', text: expect.stringMatching(since) });
  }

  const held = heldModel();
  agent = await startAgentHere(bridge, standIn, { state: 'who' });
  await asking.waitFor('stderr', /home-pc is there now\n/);
  held.open();
  expect((await asking.exited).exitCode).toBe(0);
  expect(asking.stdout()).toBe('42\n');
  expect(asking.stderr().match(/warning:/g)).toHaveLength(1);
  agent.signal('SIGTERM');
  await agent.exited;
});

/** What list, status and doctor say of a task at one moment, each in its own words. */
async function saidOf(task: string) {
  const here = (...args: string[]) =>
    runCliHere([...args, '--json', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  // In turn: the command line of this process runs once at a time. What they look at stands still meanwhile.
  const listed = await here('list');
  const status = await here('status');
  const doctor = await here('doctor');
  const rows = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const { pending, running, attendance } = JSON.parse(status.stdout) as Record<string, unknown> & {
    running: Record<string, unknown>[];
  };
  const findings = JSON.parse(doctor.stdout) as { check: string; status: string; text: string }[];
  return {
    list: rows.find((row) => row.task === task),
    isPending: JSON.stringify(pending).includes(task),
    running: running.find((one) => one.task === task),
    attendance: attendance as { state: string },
    doctor: findings.find(({ check }) => check === 'agents'),
  };
}

test('ask, status, list and doctor say the same at every step: nobody, waiting, loading, generating, done', {
  timeout: 180_000,
}, async () => {
  agent.signal('SIGTERM');
  await agent.exited;
  const port = await freePort();
  const asking = await startOnTerminal(['ask', '50+5', '--repo', bridge.repoPath], bridge.ownerEnv);
  if (asking === null) return;
  await asking.waitFor(
    /no agent (?:is there since|has said yet) [^;]*; asked as [0-9a-f]{8}, waiting for an agent/,
  );
  const short = /asked as ([0-9a-f]{8})/.exec(asking.shown())?.[1] ?? '';
  const { stdout } = await read('local', 'list', '--state', 'pending', '--json');
  const task = new RegExp(`${short}[0-9a-f]{32}`).exec(stdout)?.[0] ?? '';
  expect(await saidOf(task)).toMatchObject({
    list: { state: 'pending', agent: null },
    ...{ isPending: true, running: undefined, attendance: { state: 'absent' } },
    doctor: {
      status: 'warning',
      text: expect.stringMatching(
        /^no agent (?:is there since|has said yet) .*; (?:a task waits|\d tasks wait)$/,
      ),
    },
  });

  const url = `http://127.0.0.1:${port}`;
  agent = await startAgentHere(bridge, standIn, { state: 'who', backends: ['ollama'], ollamaUrl: url });
  // All of them have to say it once it is written.
  const isSaid = async (phase: string) => {
    const { work = [] } = (await presence()) ?? {};
    return work.some((one) => one.task === task && one.phase === phase);
  };
  const running = async (phase: string) => {
    await waitUntil(() => isSaid(phase), `the task to be ${phase}`);
    const said = await saidOf(task);
    const { model, since } = said.running ?? {};
    expect(said).toMatchObject({
      ...{ list: { state: 'running', agent: 'home-pc', work: { model, phase, since } }, isPending: false },
      running: { agent: 'home-pc', phase },
    });
    return said;
  };
  const waiting = await running('waiting');
  expect(waiting).toMatchObject({
    running: { model: null },
    attendance: { state: 'no-model-server', problem: 'home-pc reaches no model server' },
    doctor: {
      status: 'warning',
      text: expect.stringMatching(
        /^home-pc reaches no model server.*; home-pc is at \w{8}, waiting for its model server, for (?:under )?\d+ \w+$/,
      ),
    },
  });
  await asking.waitFor(new RegExp(`asked as ${short}, seen by home-pc, waiting for its model server`));

  const [first, last] = [gate(), gate()];
  const server = await startStandIn({
    port,
    behave: () => ({
      answer: '55 it is',
      firstTokenAfter: first.opened,
      pause: { afterChunks: 1, until: last.opened },
    }),
  });
  onCleanup(() => server.close());
  const model = 'llama3.2:latest';
  const isAt = (phase: string) => ({
    status: 'ok',
    text: expect.stringMatching(
      new RegExp(`^home-pc is there; home-pc is at ${short}, ${model}, ${phase}, for (?:under )?\\d+ \\w+$`),
    ),
  });
  const loading = await running('loading');
  expect(loading).toMatchObject({
    running: { model },
    attendance: { state: 'present' },
    doctor: isAt('loading'),
  });
  await asking.waitFor(/seen by home-pc, loading \(llama3\.2:latest\)/);
  first.open();
  const generating = await running('generating');
  expect(generating).toMatchObject({
    running: { model },
    attendance: { state: 'present' },
    doctor: isAt('generating'),
  });
  last.open();
  expect(await asking.exited).toBe(0);
  expect(asking.shown()).toContain('55 it is');
  await waitUntil(
    async () => (await bridge.answersLog()).some((one) => one.task_commit === task),
    'the record',
  );
  expect(await saidOf(task)).toMatchObject({
    list: { state: 'done', agent: 'home-pc' },
    ...{ isPending: false, running: undefined, attendance: { state: 'present' } },
    doctor: { status: 'ok', text: 'home-pc is there' },
  });
  agent.signal('SIGTERM');
  await agent.exited;
});

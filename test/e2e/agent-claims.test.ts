import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { readSideRefs, type SideRefs } from '../../src/bridge/side-refs.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type ObjectReader, openObjectReader } from '../../src/git/object-reader.js';
import { type Claim, claimRef, writeClaim } from '../../src/protocol/claim.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import {
  chatsOf,
  gate,
  questionOfChat,
  questionsOf,
  runAgentOnceHere,
  startAgent,
} from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { readObjectFile } from '../support/object-files.js';
import { onCleanup } from '../support/on-cleanup.js';
import { IS_FULL_LENGTH } from '../support/test-length.js';
import { waitUntil } from '../support/wait-until.js';

/** The tasks that three agents share. */
const MANY = IS_FULL_LENGTH ? 12 : 4;

/** How long a model takes that is fast, and still seen at work. Milliseconds. */
const ANSWER_MS = 100;

/** So well an agent knows the server's clock, which says whole seconds. Milliseconds. */
const CLOCK_ERROR_MS = 500;

let bridge: BridgeFixture;
let standIn: StandIn;

beforeEach(async () => {
  bridge = await startBridgeFixture({
    hooks: 'here',
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'attic-pc', role: 'agent' },
    ],
  });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

const ask = (question: string) => commitOnMain(bridge, { path: 'task.txt', content: question });
const onServer = () => ({ gitDir: bridge.repoPath, env: bridge.ownerEnv });
const config = (key: string, value: string) => gitOk(['config', key, value], onServer());

/**
 * The claims and presences on the server, or as the agent of a state folder last saw them. It is asked again
 * and again, so git's files are read, without a git for what stands in a file of its own.
 */
async function sideRefs(state?: string): Promise<SideRefs> {
  const gitDir = state === undefined ? bridge.repoPath : join(bridge.dir, `state-${state}`, 'bridge.git');
  const repo = { gitDir, env: bridge.ownerEnv, ownIds: 'sha1' } as const;
  const byGit = openObjectReader(repo);
  const read: ObjectReader['read'] = async (id, maxBytes) => {
    const content = readObjectFile(gitDir, id);
    return content === null
      ? byGit.read(id, maxBytes)
      : { info: { id, type: 'blob', size: content.length }, content };
  };
  try {
    return await readSideRefs(
      repo,
      { ...byGit, read },
      state === undefined ? undefined : 'refs/remotes/bridge/',
    );
  } finally {
    byGit.close();
  }
}

/** The claim on a task, once there is one. */
function claimOn(task: string, of: Partial<Claim> = {}): Promise<Claim> {
  return waitUntil(
    async () => {
      const claim = (await sideRefs()).claims.get(task)?.claim;
      return claim && (of.agent === undefined || claim.agent === of.agent) ? claim : null;
    },
    `a claim on ${task}`,
    45_000,
  );
}

async function logged(task: string): Promise<string | null> {
  const find = async () => (await bridge.answersLog()).find((record) => record.task_commit === task);
  return (await waitUntil(find, `task ${task} in answers.log`)).answer;
}

/** The agent of `src` here, or the built program where its process is to be ended. */
type Start = typeof startAgentHere | typeof startAgent;

/** An agent that others know of, and that knows of all who were there before. */
async function settled(name: string, state = name, start: Start = startAgentHere): Promise<RunningAgent> {
  const agent = await start(bridge, standIn, { as: name, state });
  await waitUntil(
    async () => (await sideRefs(state).catch(() => null))?.agents.has(name),
    `${name} there`,
    45_000,
  );
  return agent;
}

/**
 * The objects of the bridge as text. What was pushed stays among them for an hour, also where no ref points
 * at it any more.
 */
function everPushed(): Promise<string> {
  const options = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  return gitOk(['cat-file', '--batch-all-objects', '--batch'], options);
}

/** Waits until the agent of a state folder has seen something. */
async function until(state: string, what: string, holds: (refs: SideRefs) => boolean): Promise<void> {
  await waitUntil(async () => holds(await sideRefs(state)), what);
}

async function stop(agent: RunningAgent): Promise<void> {
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

/** Models that think until they are let go. */
function hold() {
  const held = gate();
  standIn.behave = () => ({ firstTokenAfter: held.opened });
  return held;
}

test('a backlog is claimed ahead of the models, and no more of it reaches them at a time than --parallel says', async () => {
  const tasks: string[] = [];
  for (let n = 0; n < 12; n += 1) tasks.push(await ask(`${n}+1`));
  let atModel = 0;
  let most = 0;
  standIn.behave = ({ question }) => {
    atModel += 1;
    most = Math.max(most, atModel);
    const chat = chatsOf(standIn).find((one) => questionOfChat(one) === question);
    void chat?.ended.then(() => {
      atModel -= 1;
    });
    return { firstTokenAfter: sleep(ANSWER_MS) };
  };

  const agent = await startAgentHere(bridge, standIn, { state: 'ahead', parallel: 2 });
  await logged(tasks.at(-1) ?? '');

  await waitUntil(async () => (await bridge.answersLog()).length === tasks.length, 'every answer');
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(2);
  expect(chatsOf(standIn)).toHaveLength(tasks.length);
  await waitUntil(async () => (await sideRefs()).claims.size === 0, 'no claim to be left');
  await stop(agent);
});

test('of two agents one takes a task, and its claim goes with the answer', async () => {
  const held = hold();
  const agents = [await settled('home-pc'), await settled('attic-pc')];

  const task = await ask('2+2');
  const { agent } = await claimOn(task);
  const other = agent === 'home-pc' ? 'attic-pc' : 'home-pc';
  // The other has seen it, which is when it could have begun.
  await until(other, `${other} to see the claim`, (refs) => refs.claims.has(task));
  held.open();

  expect(await logged(task)).toBe('4');
  expect((await sideRefs()).claims.size).toBe(0);
  expect(chatsOf(standIn)).toHaveLength(1);
  for (const one of agents) await stop(one);
  expect([...(await sideRefs()).agents.values()].map(({ presence }) => presence?.state)).toEqual([
    'stopped',
    'stopped',
  ]);
});

test('agents that are started at once on many tasks share them out, and each is generated once', async () => {
  const names = ['home-pc', 'attic-pc', 'cellar-pc'];
  await bridge.addPrincipal('cellar-pc', 'agent');
  const tasks: string[] = [];
  for (let number = 0; number < MANY; number += 1) tasks.push(await ask(`20+${number}`));
  const agents = await Promise.all(
    names.map((name) => startAgentHere(bridge, standIn, { as: name, state: name })),
  );
  for (const [number, task] of tasks.entries()) expect(await logged(task)).toBe(String(20 + number));
  for (const agent of agents) await stop(agent);
  expect(questionsOf(standIn).sort()).toEqual(tasks.map((_, number) => `20+${number}`).sort());
  expect((await bridge.answersLog()).length).toBe(tasks.length);
  expect((await sideRefs()).claims.size).toBe(0);
});

test('a task of an agent that was killed is taken over once its lease is over', async () => {
  await config('bridge.claimLease', '4s');
  const held = hold();
  const first = await settled('home-pc', 'home-pc', startAgent);
  const task = await ask('2+3');
  await claimOn(task, { agent: 'home-pc' });
  await waitUntil(() => chatsOf(standIn).length === 1, 'the question at the model server');
  first.signal('SIGKILL');
  await first.exited;

  const second = await startAgentHere(bridge, standIn, { as: 'attic-pc', state: 'attic-pc' });
  const { until: over } = (await sideRefs()).claims.get(task)?.claim ?? { until: '' };
  await claimOn(task, { agent: 'attic-pc' });

  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(over));
  held.open();
  expect(await logged(task)).toBe('5');
  expect(chatsOf(standIn)).toHaveLength(2);
  await stop(second);
});

test('a claim is renewed for as long as the answer takes', async () => {
  await config('bridge.claimLease', '3s');
  const held = hold();
  const agent = await settled('home-pc');
  const task = await ask('2+4');
  const first = await claimOn(task);
  const renewed = () => sideRefs().then((refs) => refs.claims.get(task)?.claim?.until ?? first.until);
  await waitUntil(async () => (await renewed()) > first.until, 'a renewed claim');
  held.open();
  expect(await logged(task)).toBe('6');
  expect(chatsOf(standIn)).toHaveLength(1);
  await stop(agent);
});

test('a generation whose claim is lost ends quietly, and the task is taken up again when that lease is over', async () => {
  const held = hold();
  const agent = await settled('home-pc');
  const task = await ask('2+5');
  await claimOn(task);
  const request = await waitUntil(() => chatsOf(standIn)[0], 'the question at the model server');
  const until = new Date(Date.now() + 8000).toISOString();
  const bytes = writeClaim({ agent: 'attic-pc', session: '9'.repeat(16), until });
  const id = (await gitOk(['hash-object', '-w', '--stdin'], { ...onServer(), input: bytes })).trim();
  await gitOk(['update-ref', claimRef(task), id], onServer());

  // A main that moves makes it look; there is no room for this one before the other is let go.
  const next = await ask('3+5');
  expect(await request.ended).toBe('lost');
  await agent.waitFor('stderr', new RegExp(`task ${task.slice(0, 8)}: attic-pc has it; leaving it there`));
  held.open();

  expect(await logged(next)).toBe('8');
  expect(await logged(task)).toBe('7');
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(until) - CLOCK_ERROR_MS);
  expect(agent.stderr()).not.toMatch(/error:|warn:/);
  await stop(agent);
});

test('SIGTERM hands a task back, and another has it at once', async () => {
  // Nobody could wait for this lease to be over.
  await config('bridge.claimLease', '5m');
  const held = hold();
  const first = await settled('home-pc', 'home-pc', startAgent);
  const task = await ask('2+6');
  await claimOn(task, { agent: 'home-pc' });
  const second = await settled('attic-pc');
  await until('attic-pc', 'the other to know', (refs) => refs.claims.has(task));

  await stop(first);

  await claimOn(task, { agent: 'attic-pc' });
  held.open();
  expect(await logged(task)).toBe('8');
  expect(first.stderr()).not.toMatch(/not released/);
  await stop(second);
  expect((await sideRefs()).claims.size).toBe(0);
});

test('what is answered at once by an agent that is alone is not claimed', async () => {
  const agent = await settled('home-pc');
  const claims = async () => (await everPushed()).split('"until":').length - 1;
  // What takes longer than 200 ms is claimed, as it may where the machine is busy: not each time.
  const claimed: number[] = [];
  do {
    const before = await claims();
    await logged(await ask(`1+${claimed.length}`));
    claimed.push((await claims()) - before);
  } while (claimed.at(-1) !== 0 && claimed.length < 20);
  expect(claimed.at(-1), claimed.join()).toBe(0);
  await stop(agent);
  expect(await everPushed()).toContain('"seen_at":');
});

test('an agent that was killed knows its own claim again', async () => {
  await config('bridge.claimLease', '5m');
  const held = hold();
  const first = await settled('home-pc', 'home-pc', startAgent);
  const task = await ask('2+7');
  await claimOn(task);
  first.signal('SIGKILL');
  await first.exited;
  held.open();
  expect(await runAgentOnceHere(bridge, standIn, { state: 'home-pc' })).toMatchObject({ exitCode: 0 });
  expect(await logged(task)).toBe('9');
  expect((await sideRefs()).claims.size).toBe(0);
});

test('two PCs with one key do not take their claims for the same, and are told', async () => {
  const held = hold();
  const first = await settled('home-pc', 'one');
  const task = await ask('2+8');
  await claimOn(task);
  const second = await startAgentHere(bridge, standIn, { as: 'home-pc', state: 'two' });
  await second.waitFor('stderr', /warn: another agent answers as home-pc/);
  await until('two', 'the second to know', (refs) => refs.claims.has(task));
  held.open();
  expect(await logged(task)).toBe('10');
  expect(chatsOf(standIn)).toHaveLength(1);
  await stop(second);
  await stop(first);
});

describe('nothing about claims keeps an answer back', () => {
  test('a server that goes silent before the claim', async () => {
    const held = hold();
    const agent = await settled('home-pc');
    standIn.behave = () => {
      process.kill(bridge.sshd.pid, 'SIGSTOP');
      return { firstTokenAfter: held.opened };
    };
    onCleanup(() => void process.kill(bridge.sshd.pid, 'SIGCONT'));
    const task = await ask('3+1');
    await waitUntil(() => chatsOf(standIn).length === 1, 'the question at the model server');
    held.open();
    await agent.waitFor('stderr', /answered by/);
    process.kill(bridge.sshd.pid, 'SIGCONT');
    expect(await logged(task)).toBe('4');
    expect(chatsOf(standIn)).toHaveLength(1);
    await stop(agent);
  });

  test('a claim that was taken over meanwhile', async () => {
    const held = hold();
    const agent = await settled('home-pc');
    const task = await ask('3+2');
    await claimOn(task);
    const live = {
      agent: 'attic-pc',
      session: '9'.repeat(16),
      until: new Date(Date.now() + 200_000).toISOString(),
    };
    const input = writeClaim(live);
    const id = (await gitOk(['hash-object', '-w', '--stdin'], { ...onServer(), input })).trim();
    await gitOk(['update-ref', claimRef(task), id], onServer());
    held.open();
    expect(await logged(task)).toBe('5');
    expect((await sideRefs()).claims.get(task)?.id).toBe(id);
    await stop(agent);
  });

  test('a lock on the claim that a killed git left', async () => {
    const held = hold();
    const agent = await settled('home-pc');
    const task = await ask('3+3');
    await claimOn(task);
    await writeFile(join(bridge.repoPath, `${claimRef(task)}.lock`), '');
    held.open();
    expect(await logged(task)).toBe('6');
    expect(agent.stderr()).not.toMatch(/error:|warn:/);
    await stop(agent);
  });

  test('a server from before claims, whose hello does not speak of them', async () => {
    const file = join(bridge.repoPath, 'bridge', 'ssh-command');
    const text = await readFile(file, 'utf8');
    const older = text.replace(',"claim_lease":"%s"', '').replace(' "$lease"', '');
    expect(older.match(/claim_lease|"\$lease"/)).toBeNull();
    await replaceProgram(file, older);
    const held = hold();
    const agent = await startAgentHere(bridge, standIn, { state: 'home-pc' });
    const task = await ask('3+4');
    await agent.waitFor('stderr', /answering/);
    held.open();
    expect(await logged(task)).toBe('7');
    await stop(agent);
    expect(await everPushed()).not.toMatch(/"(?:until|seen_at)":/);
  });

  test('a hook that knows of no claims: it is said once', async () => {
    const file = join(bridge.repoPath, 'hooks', 'pre-receive');
    const text = await readFile(file, 'utf8');
    const old = 'home-pc: a push to a bridge moves exactly one ref';
    const sh = `lines=$(cat)
case $lines in *refs/bridge/*) echo 'llm-bridge refused [ref]: ${old}; try: git push' >&2; exit 1 ;; esac
printf '%s\\n' "$lines" | "$node" "$hook"
exit`;
    await replaceProgram(
      file,
      // Nobody stood by for such a hook.
      text
        .replace(/^#!.*$/m, '#!/bin/sh\nunset LLM_BRIDGE_STANDBY')
        .replace(/^exec "\$node" "\$hook"$/m, () => sh),
    );
    const held = hold();
    const agent = await startAgentHere(bridge, standIn, { state: 'home-pc' });
    const tasks = [await ask('3+5'), await ask('3+6')];
    await agent.waitFor('stderr', /going on without claims: the server refused one: .*exactly one ref/);
    held.open();
    for (const task of tasks) await logged(task);
    expect(agent.stderr().match(/without claims/g)).toHaveLength(1);
    await stop(agent);
  });
});

async function replaceProgram(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await chmod(`${file}.new`, 0o755);
  await rename(`${file}.new`, file);
}

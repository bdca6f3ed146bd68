import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type GitStart, isFetch, isLook, readGitStarts } from '../bench/git-trace.js';
import { type RunningAgent, startAgentHere } from '../support/agent-here.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { waitUntil } from '../support/wait-until.js';

/** Looks are close together with it: three seconds and a little more. */
const OFTEN_MS = 100;

let bridge: BridgeFixture;
let standIn: StandIn;
let trace: string;

beforeEach(async () => {
  bridge = await startBridgeFixture({
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'attic-pc', role: 'agent' },
    ],
  });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  trace = join(bridge.dir, 'trace');
});

/** An agent over ssh, with the doorbell, that has answered a question. */
async function start(): Promise<RunningAgent> {
  const agent = await startAgentHere(bridge, standIn, {
    state: 'looking',
    pollMs: OFTEN_MS,
    env: { GIT_TRACE2_EVENT: trace },
  });
  await commitOnMain(bridge, { path: 'task.txt', content: '1+1' });
  await answers(1);
  return agent;
}

function answers(count: number): Promise<unknown> {
  return waitUntil(async () => (await bridge.answersLog()).length >= count, `${count} answers`);
}

/** What git was asked of the server from now on, once there were `looks` of them. */
async function untilLooks(looks: number): Promise<string> {
  const before = (await readGitStarts(trace)).length;
  const later = async () => (await readGitStarts(trace)).slice(before);
  await waitUntil(async () => (await later()).filter(isLook).length >= looks, `${looks} looks`);
  return (await later()).map(nameOf).join('');
}

function nameOf(start: GitStart): string {
  return isLook(start) ? 'look ' : isFetch(start) ? 'fetch ' : '';
}

async function stop(agent: RunningAgent): Promise<void> {
  agent.signal('SIGTERM');
  expect(await agent.exited).toEqual({ exitCode: 0, signal: null });
}

/** Moves main as no git does: without a line in the reflog, so that no doorbell rings. */
async function moveInSilence(commit: string): Promise<void> {
  await writeFile(join(bridge.repoPath, 'refs', 'heads', 'main'), `${commit}\n`);
}

/** A commit with a question on top of main, which is not on main yet. */
async function asked(question: string): Promise<string> {
  const where = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const blob = (await gitOk(['hash-object', '-w', '--stdin'], { ...where, input: question })).trim();
  const others = (await gitOk(['ls-tree', 'main'], where)).split('\n').filter((line) => !/\ttask/.test(line));
  const input = [...others.filter((line) => line !== ''), `100644 blob ${blob}\ttask.txt`, ''].join('\n');
  const tree = (await gitOk(['mktree'], { ...where, input })).trim();
  return (await gitOk(['commit-tree', tree, '-p', 'main', '-m', 'ask'], where)).trim();
}

test('an agent with nothing to do looks now and then, and fetches nothing', async () => {
  const agent = await start();
  // What the answer left to do.
  await untilLooks(1);

  expect(await untilLooks(3)).toBe('look look look ');
  await stop(agent);
});

test('a task that no doorbell told of is found by a look, and answered', async () => {
  const agent = await start();
  await untilLooks(1);

  await moveInSilence(await asked('2+2'));
  await answers(2);

  expect((await bridge.answersLog()).map(({ answer }) => answer)).toEqual(['2', '4']);
  await stop(agent);
});

test('a claim that came or went without a ring is fetched, and then there is nothing new any more', async () => {
  const agent = await start();
  await untilLooks(1);
  const where = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const blob = (await gitOk(['hash-object', '-w', '--stdin'], { ...where, input: 'no claim' })).trim();
  const ref = `refs/bridge/claims/${'a'.repeat(40)}`;

  // The look that is under way may see it.
  const pattern = /^(look )*fetch (look )+$/;
  await gitOk(['update-ref', ref, blob], where);
  expect(await untilLooks(3)).toMatch(pattern);
  await gitOk(['update-ref', '-d', ref], where);
  expect(await untilLooks(3)).toMatch(pattern);
  await stop(agent);
}, 180_000);

test('a main that was rewritten without a ring is found by a look, and ends the agent', async () => {
  const agent = await start();
  await untilLooks(1);
  const where = { gitDir: bridge.repoPath, env: bridge.ownerEnv };

  await moveInSilence((await gitOk(['rev-parse', 'main^'], where)).trim());

  expect(await agent.exited).toEqual({ exitCode: 1, signal: null });
  expect(agent.stderr()).toMatch(/error: main of .* was rewound or rewritten/);
});

test('where there is no doorbell, a poll is a fetch at once', async () => {
  const command = join(bridge.repoPath, 'bridge', 'ssh-command');
  const text = await readFile(command, 'utf8');
  await writeFile(command, text.replace(/^ {2}bridge-wait\)$/m, '  no-bridge-wait)'));
  const agent = await startAgentHere(bridge, standIn, {
    state: 'polling',
    pollMs: OFTEN_MS,
    env: { GIT_TRACE2_EVENT: trace },
  });
  await waitUntil(async () => (await readGitStarts(trace)).filter(isFetch).length >= 5, 'five fetches');

  // One look, behind the first word of the agent's being there.
  expect((await readGitStarts(trace)).filter(isLook).length).toBeLessThanOrEqual(1);
  await stop(agent);
});

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { type NamedStep, namedSteps, startDying } from '../support/dying-cli.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startPlainBridge } from '../support/plain-bridge.js';
import { stepsToTry } from '../support/steps-to-try.js';
import { waitUntil } from '../support/wait-until.js';

const AFTER_MS = 1_000;

/** Most of a life is waiting: for the time after which it answers, and for git. */
const LANES = 5;

/** A bridge, and how its standby reaches it. */
interface Way {
  readonly dir: string;
  readonly repoPath: string;
  readonly ownerEnv: Record<string, string>;
  /** What the standby is given for `--repo`, and its environment. */
  readonly repo: string;
  readonly env: Record<string, string>;
  readLog(): Promise<string>;
}

const WAYS: Readonly<Record<string, () => Promise<Way>>> = {
  async 'by path'() {
    const { dir, repoPath, env, readLog } = await startPlainBridge();
    return { dir, repoPath, ownerEnv: env, repo: repoPath, env, readLog };
  },
  async 'over ssh'() {
    const bridge = await startBridgeFixture({ principals: [{ name: 'standby', role: 'agent' }] });
    const { dir, repoPath, ownerEnv, sshUrl, readLog } = bridge;
    return { dir, repoPath, ownerEnv, repo: sshUrl, env: bridge.principal('standby').env, readLog };
  },
};

/** A bridge and a model server, where one step after the other is tried. */
async function openLane(open: () => Promise<Way>) {
  const bridge = await open();
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  /** When the model first heard of each question. */
  const heardMs = new Map<string, number>();
  standIn.behave = ({ question }) => {
    heardMs.set(question, heardMs.get(question) ?? Date.now());
    return {};
  };
  const records = async () =>
    (await bridge.readLog())
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { task_commit: string; asked_at: string; error: unknown });
  const asked: string[] = [];
  const isAnswered = async () => (await records()).some((one) => one.task_commit === asked.at(-1));

  /** A life of the standby: until it dies at the step, or was stopped when its task was answered. */
  async function live(at: NamedStep | null) {
    const model = ['--ollama-url', standIn.ollamaUrl, '--backend', 'ollama'];
    const state = ['--state-dir', join(bridge.dir, `state-${asked.length}`)];
    const as = ['--name', 'standby', '--after', `${AFTER_MS / 1000}s`, ...state];
    const agent = await startDying(['agent', '--repo', bridge.repo, ...as, ...model], bridge, at);
    // Before its first line it may not know yet what to do with a signal.
    const isDone = async () => agent.isOver() || (agent.stderr() !== '' && (await isAnswered()));
    await waitUntil(isDone, 'an answer').catch((error) => {
      throw new Error(`${at?.name}: ${agent.stderr()}`, { cause: error });
    });
    agent.signal('SIGTERM');
    const { exitCode, signal } = await agent.exited;
    return { isKilled: signal === 'SIGKILL', exitCode, agent };
  }

  async function ask(): Promise<void> {
    asked.push(await commitOnMain(bridge, { path: 'task.txt', content: `${asked.length}+1` }));
  }

  /** Asks a task of a standby that dies at the step, and starts it again. */
  async function dieAt(at: NamedStep): Promise<{ isKilled: boolean; wasAnswered: boolean }> {
    await ask();
    const { isKilled, exitCode } = await live(at);
    const wasAnswered = await isAnswered();
    if (!isKilled) expect(exitCode, at.name).toBe(0);
    // Once more where it was answered too: what is kept is not pushed again.
    else expect((await live(null)).exitCode, at.name).toBe(0);
    const all = await records();
    expect(
      all.map(({ task_commit }) => task_commit),
      at.name,
    ).toEqual(asked);
    const { asked_at, error } = all.at(-1) ?? {};
    expect(error, at.name).toBeNull();
    const waitedMs = (heardMs.get(`${asked.length - 1}+1`) ?? 0) - Date.parse(asked_at ?? '');
    expect(waitedMs, at.name).toBeGreaterThanOrEqual(AFTER_MS);
    const claims = await readdir(join(bridge.repoPath, 'refs', 'bridge', 'claims')).catch(() => []);
    expect(claims, at.name).toEqual([]);
    return { isKilled, wasAnswered };
  }
  return { ask, live, dieAt };
}

test.each(Object.entries(WAYS))(
  'a standby %s killed before any step answers when it is started again, once and not before its time',
  async (name, open) => {
    const first = await openLane(open);
    await first.ask();
    const steps = namedSteps(await (await first.live(null)).agent.steps());
    const left = stepsToTry(steps);
    let [killed, answeredAfter] = [0, 0];
    const work = async () => {
      const lane = await openLane(open);
      for (let at = left.shift(); at !== undefined; at = left.shift()) {
        const { isKilled, wasAnswered } = await lane.dieAt(at);
        if (isKilled) killed += 1;
        if (!wasAnswered) answeredAfter += 1;
      }
    };
    await Promise.all(Array.from({ length: LANES }, work));
    console.log(
      `standby ${name}: killed at ${killed} of ${steps.length} steps, before the answer at ${answeredAfter}`,
    );
    // A run may lack a step that another one has, but not many.
    expect(killed).toBeGreaterThan(steps.length * 0.8);
    expect(answeredAfter).toBeGreaterThan(0);
  },
  1_800_000,
);

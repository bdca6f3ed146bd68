import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf } from './bridge-agent.js';
import { runCliHere } from './cli-here.js';
import { commitOnMain } from './commit-on-main.js';
import { namedSteps, runFaultyAt, type StepFault, stepsOf } from './dying-cli.js';
import { onCleanup } from './on-cleanup.js';
import { startPlainBridge } from './plain-bridge.js';
import { stepsToTry } from './steps-to-try.js';
import { waitUntil } from './wait-until.js';

/** The part of an agent's work to sweep. */
export interface SweepOptions {
  /** Only the matching steps. Default: all. */
  readonly steps?: RegExp;
  /** What is tried in the short form too, with a third of the rest (see `stepsToTry`). Default: all. */
  readonly always?: RegExp;
  /**
   * The model answers once the task is claimed, so that every run pushes a claim, and none may be left over.
   * Default: it answers at once, and only a busy machine pushes a claim before that.
   */
  readonly onceClaimed?: boolean;
}

/**
 * For the steps of an agent that nothing happens to (see `stepsToTry`): asks a task, runs a new agent that
 * fails at that step, and runs it once more. Expects that every task so far has exactly one record, in the
 * order of asking. Returns the steps that were hit: a step that an agent does at the same time as another
 * may not be reached.
 */
export async function sweepAgent(fault: StepFault, options: SweepOptions = {}): Promise<string[]> {
  const bridge = await startPlainBridge({ hooks: 'here for all' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const place = { repoPath: bridge.repoPath, ownerEnv: bridge.env };
  const { env } = bridge;
  const asked: string[] = [];
  const ask = async () => {
    asked.push(await commitOnMain(place, { path: 'task.txt', content: `${asked.length}+1` }));
  };
  const answered = async () => {
    const records = (await bridge.readLog()).trim().split('\n');
    return records.map((line) => (JSON.parse(line) as { task_commit: string }).task_commit);
  };
  const claims = async (): Promise<string[]> =>
    readdir(join(bridge.repoPath, 'refs', 'bridge', 'claims')).catch(() => []);
  if (options.onceClaimed) {
    const claimed = async () => (await claims()).includes(asked.at(-1) ?? '');
    // Nobody waits for it where the agent has died; the next agent completes it.
    standIn.behave = () => ({ firstTokenAfter: waitUntil(claimed, 'a claim').catch(() => {}) });
  }
  const agent = (state: string) => [
    ...['agent', '--once', '--repo', bridge.repoPath, '--name', 'home-pc', '--state-dir', state],
    ...['--ollama-url', standIn.ollamaUrl, '--backend', 'ollama'],
  ];
  const hits: string[] = [];

  await ask();
  const steps = namedSteps(await stepsOf(agent(join(bridge.dir, 'state-untouched')), { env }));
  const swept = steps.filter(({ name }) => options.steps?.test(name) !== false);
  for (const at of stepsToTry(swept, options.always)) {
    await ask();
    const state = join(bridge.dir, `state-${asked.length}`);
    const chats = chatsOf(standIn).length;
    const hit = await runFaultyAt(agent(state), { env }, at, fault);
    if (hit.step === null) expect(hit.exitCode, hit.stderr).toBe(0);
    else hits.push(hit.step);
    if (hit.step !== null && fault !== 'fails')
      expect(hit.exitCode, hit.step).toBe(fault === 'kills' ? 0 : 137);
    const kept = await readdir(join(state, 'bridge.git', 'refs', 'bridge', 'finished')).catch(() => []);
    const after = await runCliHere(agent(state), { env });
    expect(after.exitCode, `after ${at.name}: ${after.stderr}`).toBe(0);
    expect(await answered(), `after ${at.name}`).toEqual(asked);
    // A stored answer is not generated again. A git that was left running may still hold the lock.
    if (kept.some((name) => !name.endsWith('.lock'))) {
      expect(chatsOf(standIn).length - chats, `after ${at.name}: ${after.stderr}`).toBe(1);
    }
    if (options.onceClaimed) expect(await claims(), `after ${at.name}`).toEqual([]);
  }
  const verified = await runCliHere(['verify', '--repo', bridge.repoPath], { env });
  expect(verified.exitCode, verified.stderr).toBe(0);
  return hits;
}

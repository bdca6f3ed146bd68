import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf } from './bridge-agent.js';
import { runCli } from './cli.js';
import { commitOnMain } from './commit-on-main.js';
import { runFaulty, type StepFault } from './dying-cli.js';
import { onCleanup } from './on-cleanup.js';
import { startPlainBridge } from './plain-bridge.js';

/**
 * Asks a task, runs a new agent that ends badly at its n-th step, and runs it once more; for n = 1, 2, … until it has no step left. Expects
 * after each: every task so far has its one record, in their order. Answers the steps, in their order.
 */
export async function sweepAgent(fault: StepFault): Promise<string[]> {
  const bridge = await startPlainBridge();
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const asked: string[] = [];
  const steps: string[] = [];
  for (let at = 1; ; at++) {
    const place = { repoPath: bridge.repoPath, ownerEnv: bridge.env };
    asked.push(await commitOnMain(place, { path: 'task.txt', content: `${at}+${at}` }));
    const state = join(bridge.dir, `state-${at}`);
    const args = [
      ...['agent', '--once', '--repo', bridge.repoPath, '--name', 'home-pc'],
      ...['--state-dir', state],
      ...['--ollama-url', standIn.ollamaUrl, '--backend', 'ollama'],
    ];
    const chats = chatsOf(standIn).length;
    const hit = await runFaulty(args, { env: bridge.env }, at, fault);
    if (hit.step === null) {
      expect(hit.exitCode, hit.stderr).toBe(0);
      break;
    }
    steps.push(hit.step);
    if (fault !== 'fails') expect(hit.exitCode, hit.step).toBe(137);
    const kept = await readdir(join(state, 'bridge.git', 'refs', 'bridge', 'finished')).catch(() => []);
    const after = await runCli(args, { env: bridge.env });
    expect(after.exitCode, `after ${hit.step}: ${after.stderr}`).toBe(0);
    const records = (await bridge.readLog()).trim().split('\n');
    const answered = records.map((line) => (JSON.parse(line) as { task_commit: string }).task_commit);
    expect(answered, `after ${hit.step}`).toEqual(asked);
    // What was kept is not generated again.
    if (kept.length > 0) expect(chatsOf(standIn).length - chats, `after ${hit.step}`).toBe(1);
  }
  const verified = await runCli(['verify', '--repo', bridge.repoPath], { env: bridge.env });
  expect(verified.exitCode, verified.stderr).toBe(0);
  return steps;
}

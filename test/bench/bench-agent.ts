import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopProcessTree } from '../../src/process/stop-process-tree.js';
import { waitUntil } from '../support/wait-until.js';
import { type GitStart, readGitStarts } from './git-trace.js';
import type { Lab, LabBridge, Program } from './lab.js';

/** An agent of the built program, over ssh, with the lab's stand-in as its model server. */
export interface BenchAgent {
  readonly pid: number;
  readonly stateDir: string;
  /** The git processes it has started so far. */
  gitStarts(): Promise<GitStart[]>;
  said(): string;
  stop(): Promise<void>;
}

/** Milliseconds. */
const LEAVES_WITHIN_MS = 20_000;

let count = 0;

/** Starts one, and resolves when it is connected. */
export async function startAgent(
  lab: Lab,
  program: Program,
  bridge: LabBridge,
  args: readonly string[] = [],
): Promise<BenchAgent> {
  count += 1;
  const stateDir = path.join(lab.dir, `state-${count}`);
  const trace = path.join(lab.dir, `trace-${count}`);
  const words = [
    'agent',
    '--repo',
    bridge.sshUrl,
    '--state-dir',
    stateDir,
    '--ollama-url',
    lab.standIn.ollamaUrl,
  ];
  const child = spawn(program[0], [program[1], ...words, ...args], {
    env: { ...bridge.agentEnv, GIT_TRACE2_EVENT: trace },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  let ended = false;
  const closed = once(child, 'close');
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.once('close', () => {
    ended = true;
  });
  const pid = child.pid ?? Number.NaN;
  const stop = async () => {
    // It says that it leaves: where one only vanishes, the next one shares tasks with it for a while.
    child.kill('SIGTERM');
    await Promise.race([closed, sleep(LEAVES_WITHIN_MS, undefined, { ref: false })]);
    await stopProcessTree(child);
  };
  lab.defer(stop);
  await waitUntil(() => {
    if (ended) throw new Error(`the agent ended: ${said}`);
    return said.includes('connected to');
  }, 'the agent connects');
  return { pid, stateDir, gitStarts: () => readGitStarts(trace), said: () => said, stop };
}

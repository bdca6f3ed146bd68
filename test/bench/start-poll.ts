import { spawn } from 'node:child_process';
import path from 'node:path';
import { stopProcessTree } from '../../src/process/stop-process-tree.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { isFetch, readGitStarts } from './git-trace.js';
import { type Lab, type LabBridge, sshUrlOf } from './lab.js';

/** A shell that fetches, sleeps, and fetches again. */
export interface Poll {
  /** When each of its fetches began; milliseconds since the epoch. */
  starts(): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** Starts one that sleeps `seconds` between fetches, in a bare clone of its own. */
export async function startPoll(
  lab: Lab,
  bridge: LabBridge,
  seconds: number,
  env: NodeJS.ProcessEnv,
): Promise<Poll> {
  const clone = path.join(lab.dir, `poll-${seconds}.git`);
  const trace = path.join(lab.dir, `poll-${seconds}.trace`);
  await lab.git(lab.dir, ['init', '--quiet', '--bare', clone]);
  const url = sshUrlOf(lab, bridge.repoPath);
  const loop = `while :; do git --git-dir="$1" fetch --quiet "$2" +${MAIN_REF}:refs/remotes/bridge; sleep ${seconds}; done`;
  const child = spawn('sh', ['-c', loop, 'poll', clone, url], {
    env: { ...env, GIT_TRACE2_EVENT: trace },
    stdio: 'ignore',
  });
  const stop = () => stopProcessTree(child);
  lab.defer(stop);
  return {
    starts: async () => (await readGitStarts(trace)).filter(isFetch).map((start) => start.atMs),
    stop,
  };
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onCleanup } from './on-cleanup.js';
import { waitUntil } from './wait-until.js';

/** A git that works in a repository until it is told to end or is killed; it is ended after the test. */
export interface LivingGit {
  /** Writes its data, releases its locks and ends; throws where it fails. */
  finish(): Promise<void>;
  /** By SIGKILL: its locks stay. */
  kill(): Promise<void>;
}

/** How it reaches the repository: the arguments, the environment and the folder git starts with. */
export interface GitStart {
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd?: string;
}

/** A git that has no lock yet, and may take one at any moment. */
export async function gitAtWork(start: GitStart): Promise<LivingGit> {
  const { tell, heard, living } = startUpdates(start);
  tell('start\n');
  await heard('start: ok');
  return living;
}

/** A git that holds the lock of `main`, and so of HEAD, for an update from `tip` to `tip`. */
export async function gitWithMainLocked(start: GitStart, tip: string): Promise<LivingGit> {
  const { tell, heard, living } = startUpdates(start);
  tell(`start\nupdate refs/heads/main ${tip} ${tip}\nprepare\n`);
  await heard('prepare: ok');
  return living;
}

function startUpdates({ args, env, cwd }: GitStart) {
  const child: ChildProcessWithoutNullStreams = spawn('git', [...args, 'update-ref', '--stdin'], {
    env,
    cwd,
  });
  onCleanup(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  child.stderr.on('data', (text) => {
    said += text;
  });
  const living: LivingGit = {
    async finish() {
      child.stdin.end('commit\n');
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`the git that had the lock failed: ${said}`);
    },
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
  return {
    tell: (text: string) => void child.stdin.write(text),
    heard: (text: string) => waitUntil(() => said.includes(text), `git says ${text}`),
    living,
  };
}

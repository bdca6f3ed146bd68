import { cleanEnv } from './clean-env.js';
import { type RunOptions, type RunResult, runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';

/** Options for git. Without `env`: a clean one, with a new home folder. */
export interface GitOptions {
  readonly cwd?: string;
  readonly gitDir?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  readonly more?: RunOptions['more'];
}

/** The committer where a test names none. Real git refuses to guess one in a clean environment. */
const SOMEBODY = {
  GIT_AUTHOR_NAME: 'somebody',
  GIT_AUTHOR_EMAIL: 'somebody@example.invalid',
  GIT_COMMITTER_NAME: 'somebody',
  GIT_COMMITTER_EMAIL: 'somebody@example.invalid',
};

/** Runs git. A non-zero exit is a result. */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<RunResult> {
  const where = options.gitDir === undefined ? [] : ['--git-dir', options.gitDir];
  return runProcess('git', [...where, ...args], {
    env: { ...SOMEBODY, ...(options.env ?? cleanEnv(await tempDir())), LC_ALL: 'C' },
    cwd: options.cwd,
    input: options.input,
    more: options.more,
  });
}

/** Runs git and returns its stdout. Throws with all its output where it fails. */
export async function gitOk(args: readonly string[], options: GitOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await git(args, options);
  if (exitCode !== 0) throw new Error(`git ${args.join(' ')} exited with ${exitCode}\n${stderr}${stdout}`);
  return stdout;
}

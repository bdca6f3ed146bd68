import { simpleGit } from 'simple-git';
import { stripControls } from '../protocol/printable.js';
import type { GitResult, Repository } from './run-git.js';

/**
 * Runs a git command that talks to the other side (fetch, push) through simple-git, which brings abort and a time-out on
 * silence. A non-zero exit is a result here as in runGit.
 */
export async function runSimpleGit(
  repo: Repository,
  args: readonly string[],
  options: {
    readonly signal?: AbortSignal | undefined;
    /** Kill git after so many milliseconds without a word from it. */
    readonly silenceMs?: number;
  } = {},
): Promise<GitResult> {
  let ended: GitResult | null = null;
  const git = simpleGit({
    baseDir: repo.gitDir,
    // The environment is ours and given whole; simple-git would drop every GIT_ variable that is not named.
    allowEnvironment: Object.keys(repo.env),
    unsafe: ALLOWED,
    ...(options.signal === undefined ? {} : { abort: options.signal }),
    ...(options.silenceMs === undefined ? {} : { timeout: { block: options.silenceMs } }),
    // A non-zero exit with empty stderr would resolve as success, so the outcome is caught here and judged by us.
    errors(_error, result) {
      ended = {
        exitCode: typeof result.exitCode === 'number' ? result.exitCode : 1,
        stdout: Buffer.concat(result.stdOut),
        stderr: stripControls(Buffer.concat(result.stdErr).toString('utf8')),
      };
      return undefined;
    },
  }).env(repo.env);
  await git.raw(['--git-dir', repo.gitDir, ...args]);
  options.signal?.throwIfAborted();
  const result = ended as GitResult | null;
  if (result === null) throw new Error('simple-git ended without a result');
  // git killed for its silence says nothing: the words are those of a connection that timed out, because that is what it was.
  return result.exitCode !== 0 && result.stderr === ''
    ? { ...result, stderr: 'Connection timed out: no word from the server' }
    : result;
}

/** Settings of the user's own environment that simple-git would refuse: they are the user's to make on this machine. */
const ALLOWED = {
  allowUnsafeSshCommand: true,
  allowUnsafeAskPass: true,
  allowUnsafeConfigEnvCount: true,
  allowUnsafeConfigPaths: true,
  allowUnsafeGitProxy: true,
  allowUnsafeExec: true,
} as const;

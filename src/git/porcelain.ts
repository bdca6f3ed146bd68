import { BridgeError } from '../protocol/bridge-error.js';
import { stripControls } from '../protocol/printable.js';
import { type GitResult, gitFailed, type Repository, spawnGit } from './run-git.js';

/**
 * Runs porcelain on a repository of this machine through simple-git, which brings the abort. A non-zero exit is a result here as in
 * runGit. Not for fetch and push: an abort of simple-git ends git alone, and the ssh beneath it waits on for a dead network
 * (`run-remote-git.ts`). Rejects with an AbortError once the signal aborts.
 */
export async function runSimpleGit(
  repo: Repository,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<GitResult> {
  // Needed once a day; until then its 11 MB are the agent's own.
  const { simpleGit } = await import('simple-git');
  let ended: GitResult | null = null;
  const git = simpleGit({
    baseDir: repo.gitDir,
    // The environment is ours and given whole; simple-git would drop every GIT_ variable that is not named.
    allowEnvironment: Object.keys(repo.env),
    unsafe: ALLOWED,
    ...(signal === undefined ? {} : { abort: signal }),
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
  signal?.throwIfAborted();
  if (ended === null) throw new Error('simple-git ended without a result');
  return ended;
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

/** The oldest git llm-bridge works with: the one of Debian 12. It has `cat-file --batch-command` (since 2.36). */
export const MIN_GIT_VERSION = [2, 39] as const;

/** What `git --version` says. Throws BridgeError `no-git`, or `git-failed` or `git-killed` where it came to nothing. */
export async function readGitVersion(env: NodeJS.ProcessEnv): Promise<string> {
  const args = ['--version'];
  const result = await spawnGit(args, env);
  if (result.exitCode !== 0) throw gitFailed(args, result);
  return result.stdout.toString('utf8').trim();
}

/** Major and minor of the installed git. Throws BridgeError as readGitVersion, or `old-git` where it is older than 2.39. */
export async function requireGit(env: NodeJS.ProcessEnv): Promise<readonly [number, number]> {
  const text = await readGitVersion(env);
  const match = /^git version ([0-9]+)\.([0-9]+)/.exec(text);
  const version = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)] as const;
  if (
    version[0] < MIN_GIT_VERSION[0] ||
    (version[0] === MIN_GIT_VERSION[0] && version[1] < MIN_GIT_VERSION[1])
  ) {
    throw new BridgeError(`${text || 'this git'} is too old`, {
      code: 'old-git',
      remedy: `install git ${MIN_GIT_VERSION.join('.')} or newer`,
    });
  }
  return version;
}

import { BridgeError } from '../protocol/bridge-error.js';
import { gitFailed, spawnGit } from './run-git.js';

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

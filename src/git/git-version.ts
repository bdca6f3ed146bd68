import { BridgeError } from '../protocol/bridge-error.js';
import { gitFailed, spawnGit } from './run-git.js';

/**
 * The oldest git that llm-bridge works with, that of Debian 12. It has `cat-file --batch-command` (since
 * 2.36).
 */
export const MIN_GIT_VERSION = [2, 39] as const;

/**
 * Major and minor version of the installed git. Every command asks for it first, so it does not use
 * simple-git, which takes a tenth of a second to load. Throws BridgeError `no-git`, `old-git` where git is
 * older than 2.39, or `git-failed` or `git-killed` where it gave no version.
 */
export async function requireGit(env: NodeJS.ProcessEnv): Promise<readonly [number, number]> {
  const args = ['--version'];
  const result = await spawnGit(args, env);
  if (result.exitCode !== 0) throw gitFailed(args, result);
  const text = result.stdout.toString('utf8').trim();
  const match = /^git version ([0-9]+)\.([0-9]+)/.exec(text);
  const version = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)] as const;
  const [major, minor] = MIN_GIT_VERSION;
  if (version[0] < major || (version[0] === major && version[1] < minor)) {
    throw new BridgeError(`${text || 'this git'} is too old`, {
      code: 'old-git',
      remedy: `install git ${MIN_GIT_VERSION.join('.')} or newer`,
    });
  }
  return version;
}

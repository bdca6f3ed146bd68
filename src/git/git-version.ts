import { BridgeError } from '../protocol/bridge-error.js';
import { spawnGit } from './run-git.js';

/** The oldest git llm-bridge works with: the one of Debian 12. It has `cat-file --batch-command` (since 2.36). */
export const MIN_GIT_VERSION = [2, 39] as const;

/** Major and minor of the installed git. Throws BridgeError `no-git`, or `old-git` where it is older than 2.39. */
export async function requireGit(env: NodeJS.ProcessEnv): Promise<readonly [number, number]> {
  const { stdout } = await spawnGit(['--version'], env);
  const text = stdout.toString('utf8').trim();
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

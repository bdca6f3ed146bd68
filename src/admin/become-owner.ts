import { statSync } from 'node:fs';
import os from 'node:os';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';

/**
 * Where root runs a command on the files of a bridge that is another user's: this process becomes that user
 * for good, so that nothing is written as root into what the user owns. Returns the environment to go on
 * with. Does nothing for anybody else, and where there is no such folder. Throws BridgeError `other-owner`
 * where the system does not let it, with `again` as what that user is to run: the words after `llm-bridge`.
 */
export function becomeOwner(
  repoPath: string,
  env: NodeJS.ProcessEnv,
  again: readonly string[],
): NodeJS.ProcessEnv {
  if (process.getuid?.() !== 0) return env;
  const stats = statSync(repoPath, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory() || stats.uid === 0) return env;
  return becomeUser(stats, env, again);
}

/**
 * Becomes another user for good, groups and home folder included, and returns the environment to go on with.
 * For root. Throws BridgeError `other-owner` where the system does not let it, with `again` as there.
 */
export function becomeUser(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  env: NodeJS.ProcessEnv,
  again: readonly string[],
): NodeJS.ProcessEnv {
  try {
    // @types/node does not list it.
    const { initgroups } = process as { initgroups?(user: number, extraGroup: number): void };
    initgroups?.(uid, gid);
    process.setgid?.(gid);
    process.setuid?.(uid);
    // By the list of users: HOME is still root's.
    const { homedir, username } = os.userInfo();
    Object.assign(process.env, { HOME: homedir, USER: username, LOGNAME: username });
    // Whatever is started here would stand in a folder that it cannot read, as /root.
    process.chdir('/');
    return { ...env, HOME: homedir, USER: username, LOGNAME: username };
  } catch (cause) {
    throw new BridgeError(`cannot become the user with the id ${uid}: ${errorText(cause)}`, {
      code: 'other-owner',
      // A Node that uses the libuv of its system, as Debian's own does, never lets a process change its user.
      remedy: `su "$(id -nu ${uid})" -c ${shellQuote(['llm-bridge', ...again].map(shellQuote).join(' '))}`,
      cause,
    });
  }
}

import { statSync } from 'node:fs';
import { PACKAGE_FILES } from '../process/own-package.js';
import { type ProgramResult, runProgram } from '../process/run-program.js';
import { shellQuote } from '../process/shell-quote.js';
import type { Command, UserIds } from '../process/start-program.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { findUser, runTool } from './unix-user.js';

/**
 * Who owns the bridge at this path, where that is another user and we are root: its files are changed as
 * that user. Null for anybody but root, for a bridge of root, and where there is no such folder.
 */
export function otherOwner(repoPath: string): UserIds | null {
  if (process.getuid?.() !== 0) return null;
  const stats = statSync(repoPath, { throwIfNoEntry: false });
  return stats === undefined || !stats.isDirectory() || stats.uid === 0 ? null : stats;
}

/**
 * Runs llm-bridge as another user, with their groups and home folder, to its end. For root. It is a process
 * of its own, because not every Node lets its process change its user: that of Debian does not. Throws
 * BridgeError `usage` where the user cannot read Node or this program, and `other-owner` where the system
 * lets nobody become that user, with what they are to run themselves.
 */
export async function runAsUser(
  ids: UserIds,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<ProgramResult> {
  const user = await findUser(ids.uid, env);
  try {
    await requireReach(ids, user?.name ?? `with the id ${ids.uid}`, env);
    const { HOME: _home, USER: _user, LOGNAME: _name, ...others } = env;
    // For a user who is not in the list of users, each program looks for a home folder itself.
    const own = user === null ? {} : { HOME: user.home, USER: user.name, LOGNAME: user.name };
    const command: Command = [process.execPath, PACKAGE_FILES.command, ...words];
    return await startAs(ids, user === null ? [] : await groupsOf(ids, env), command, { ...others, ...own });
  } catch (cause) {
    if (cause instanceof BridgeError) throw cause;
    throw new BridgeError(`cannot become the user with the id ${ids.uid}: ${errorText(cause)}`, {
      code: 'other-owner',
      remedy: `su "$(id -nu ${ids.uid})" -c ${shellQuote(['llm-bridge', ...words].map(shellQuote).join(' '))}`,
      cause,
    });
  }
}

/**
 * Throws BridgeError `usage` where a user cannot read Node or this program, maybe because one of them is in
 * a folder that is closed to them: the hooks of a bridge run as its owner, by this very Node.
 */
export async function requireReach(ids: UserIds, name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { execPath } = process;
  const files = [execPath, PACKAGE_FILES.command, PACKAGE_FILES.cli, PACKAGE_FILES.preReceive];
  const refused = await firstRefused(ids, '-r', files, env);
  if (refused === null) return;
  throw new BridgeError(`the user ${name} cannot read ${refused}, which the hooks of the bridge need`, {
    code: 'usage',
    remedy: 'install Node and llm-bridge for all users (not by nvm in a home folder), then run this again',
  });
}

/**
 * The first of these paths that a user may not read (`-r`), write (`-w`) or enter (`-x`); null where there
 * is none. Rejects with Node's error where nobody can become that user.
 */
export async function firstRefused(
  ids: UserIds,
  test: '-r' | '-w' | '-x',
  paths: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  const look: Command = ['sh', '-c', `for one; do test ${test} "$one" || { printf %s "$one"; exit; }; done`];
  const { stdout } = await startAs(ids, await groupsOf(ids, env), [...look, 'sh', ...paths], env);
  return stdout.length === 0 ? null : stdout.toString('utf8');
}

/** Starts it in `/`, and not in our folder: that may be root's own, which the user may not enter. */
function startAs(ids: UserIds, groups: readonly string[], command: Command, env: NodeJS.ProcessEnv) {
  const [first, ...rest] = groups;
  const options = { env, cwd: '/' };
  return first === undefined
    ? runProgram(command, { ...options, as: { uid: ids.uid, gid: ids.gid } })
    : runProgram([first, ...rest, ...command], options);
}

/**
 * The words in front of a command that give it all groups of the user: a folder around the bridge may be
 * open to one of these groups alone. None where they do not work here: then Node starts it with one group.
 */
async function groupsOf({ uid, gid }: UserIds, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const words: Command = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--'];
  return (await runTool([...words, 'sh', '-c', ':'], env)).exitCode === 0 ? words : [];
}

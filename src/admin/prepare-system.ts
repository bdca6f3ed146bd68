import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { clientGitEnv } from '../git/git-env.js';
import { requireGit } from '../git/git-version.js';
import { shellQuote } from '../process/shell-quote.js';
import type { UserIds } from '../process/start-program.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { checkDisk } from './doctor/check-disk.js';
import { noPermission, requirePlainPath, whatIsAt } from './init-target.js';
import { firstRefused, requireReach } from './run-as-user.js';
import { parseSshd, sshdHint } from './sshd-hint.js';
import { findUser, makeUser, runTool, type UnixUser } from './unix-user.js';

/** What root has prepared for a bridge that has a user of its own. */
export interface PreparedSystem {
  /** The user who is to make the bridge and own it. */
  readonly user: UnixUser;
  /** What was made, in words. */
  readonly made: readonly string[];
  /** Why sshd would not let the user in; null where nothing speaks against it. */
  readonly sshdHint: string | null;
  /** The server in the address of the bridge: `host`, or `host:port`. */
  readonly server: string;
}

/** Only the group may look in: questions and answers are private. */
const FOLDER_MODE = 0o750;

/** A new bridge takes about a tenth of it. */
const MIN_FREE_BYTES = 1024 ** 2;

/** Stands for a user that is not made yet: it owns no file, so it may do what all others may. */
const ANYBODY: UserIds = { uid: 65_534, gid: 65_534 };

/**
 * Makes the user who is to own a bridge, and its folder, as root. What is there already stays as it is. All
 * that could stop the bridge from being made is checked first, so that a failed init leaves no user behind.
 * Throws BridgeError `no-permission` for anybody but root, and where the user cannot write where the bridge
 * is to be; `usage` where the user has no shell or cannot run this program, and where no user can be made
 * here; and as whatIsAt does.
 */
export async function prepareSystem(
  repoPath: string,
  name: string,
  env: NodeJS.ProcessEnv,
): Promise<PreparedSystem> {
  if (process.getuid?.() !== 0) {
    throw new BridgeError('making a bridge for the machine takes root', {
      code: 'no-permission',
      remedy: `sudo llm-bridge init ${shellQuote(repoPath)} --system; or leave --system out, and the bridge is yours`,
    });
  }
  const target = path.resolve(repoPath);
  requirePlainPath(target);
  const gitEnv = clientGitEnv(env);
  await requireGit(gitEnv);
  const found = await findUser(name, env);
  if (found !== null) requireShell(found);
  const ids = found ?? ANYBODY;
  await requireReach(ids, name, env);
  const there = await whatIsAt(target, gitEnv, { uid: found?.uid ?? null, name });
  if (there === 'nothing' || there === 'empty-folder') {
    await requireRoom(target, ids, name, env);
    const { status, text, remedy } = await checkDisk(target, { warnBytes: 0, brokenBytes: MIN_FREE_BYTES });
    if (status === 'broken') throw new BridgeError(text, { code: 'disk-full', remedy: remedy ?? '' });
  }

  const made: string[] = [];
  const user = found ?? (await makeUser(name, env));
  if (found === null) made.push(`the user ${name}`);
  const folder = path.dirname(target);
  if ((await stat(folder).catch(() => null)) === null) {
    await makeFolder(folder, user).catch(noPermission(folder));
    made.push(`the folder ${folder}`);
  }
  const { exitCode, stdout } = await runTool(['sshd', '-T'], env);
  const sshd = parseSshd(exitCode === 0 ? stdout : '');
  const port = sshd.get('port') ?? '22';
  const server = `${os.hostname()}${port === '22' ? '' : `:${port}`}`;
  return { user, made, sshdHint: sshdHint(sshd, name), server };
}

function requireShell({ name, shell }: UnixUser): void {
  if (!/\/(?:nologin|false)$/.test(shell)) return;
  throw new BridgeError(`the user ${name} has the shell ${shell}, and sshd runs the bridge by it`, {
    code: 'usage',
    remedy: `usermod --shell /bin/sh ${name}; nobody gets that shell by a key of the bridge`,
  });
}

/**
 * Throws BridgeError `no-permission` where the user could not make a bridge: the folder around it is there
 * and somebody else's, or behind one that they may not enter.
 */
async function requireRoom(
  target: string,
  ids: UserIds,
  name: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const folder = path.dirname(target);
  let above = folder;
  while ((await stat(above).catch(() => null)) === null) above = path.dirname(above);
  const refused = await firstRefused(ids, above === folder ? '-w' : '-x', [above], env);
  if (refused === null) return;
  const own = path.join('/srv/llm-bridge', path.basename(target));
  const inside = path.join(folder, 'llm-bridge', path.basename(target));
  // In a folder that the user may enter, this can make a folder for the bridge.
  const isOpen = (await firstRefused(ids, '-x', [above], env)) === null;
  throw new BridgeError(
    isOpen
      ? `the user ${name} cannot write to ${above}, and the bridge is made in there`
      : `the user ${name} cannot enter ${above}, and the bridge would be in there`,
    {
      code: 'no-permission',
      remedy: `give it a folder of its own, which this makes: llm-bridge init ${shellQuote(isOpen ? inside : own)} --system --user ${name}`,
    },
  );
}

/** The folder is the user's; those above it that are missing are root's, for all to enter. */
async function makeFolder(folder: string, { uid, gid }: UserIds): Promise<void> {
  const parent = path.dirname(folder);
  const first = await mkdir(parent, { recursive: true });
  // Whatever umask root has.
  if (first !== undefined)
    for (let one = parent; one.length >= first.length; one = path.dirname(one)) await chmod(one, 0o755);
  await mkdir(folder);
  await chmod(folder, FOLDER_MODE);
  await chown(folder, uid, gid);
}

import { accessSync, constants } from 'node:fs';
import { chown, mkdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PACKAGE_FILES } from '../process/own-package.js';
import { runProgram } from '../process/run-program.js';
import { shellQuote } from '../process/shell-quote.js';
import type { Command } from '../process/start-program.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { becomeUser } from './become-owner.js';
import { requirePlainPath } from './init-target.js';

/** What root prepared for a bridge of the machine. */
export interface PreparedSystem {
  /** To go on with, as the user. */
  readonly env: NodeJS.ProcessEnv;
  /** What was made, in words. */
  readonly made: readonly string[];
  /** Why sshd would not let the user in; null where nothing speaks against it. */
  readonly sshdHint: string | null;
  /** Where the bridge is reached: `ssh://bridge@host:port/path`. */
  readonly address: string;
}

/** Only the group may look in: questions and answers are private. */
const FOLDER_MODE = 0o750;

/**
 * Makes the user who is to own a bridge, and its folder, as root; then becomes that user for good. What is
 * there already stays as it is. Throws BridgeError `no-permission` for anybody but root, `usage` where the
 * user has no shell or cannot run this program, and where no user can be made here.
 */
export async function prepareSystem(
  repoPath: string,
  user: string,
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
  const made: string[] = [];
  let found = await findUser(user, env);
  if (found === null) {
    await makeUser(user, env);
    found = await findUser(user, env);
    made.push(`the user ${user}`);
  }
  if (found === null) throw noUser(user, 'it is not there afterwards');
  if (/\/(?:nologin|false)$/.test(found.shell)) {
    throw new BridgeError(`the user ${user} has the shell ${found.shell}, and sshd runs the bridge by it`, {
      code: 'usage',
      remedy: `usermod --shell /bin/sh ${user}; nobody gets that shell by a key of the bridge`,
    });
  }
  const folder = path.dirname(target);
  if ((await stat(folder).catch(() => null)) === null) {
    await mkdir(path.dirname(folder), { recursive: true, mode: 0o755 });
    await mkdir(folder, { mode: FOLDER_MODE });
    await chown(folder, found.uid, found.gid);
    made.push(`the folder ${folder}`);
  }
  const sshd = await readSshd(env);
  const port = sshd.get('port') ?? '22';
  const address = `ssh://${user}@${os.hostname()}${port === '22' ? '' : `:${port}`}${target}`;
  const asUser = becomeUser(found, env, ['init', target]);
  requireReadable(user);
  return { env: asUser, made, sshdHint: hintOf(sshd, user), address };
}

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly shell: string;
}

async function findUser(name: string, env: NodeJS.ProcessEnv): Promise<User | null> {
  const { stdout } = await run(['getent', 'passwd', name], env);
  const [found, , uid, gid, , , shell = ''] = stdout.trim().split(':');
  return found === name ? { uid: Number(uid), gid: Number(gid), shell } : null;
}

async function makeUser(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const words = ['useradd', '--system', '--create-home', '--shell', '/bin/sh', name] as const;
  const { exitCode, stderr } = await run(words, env);
  if (exitCode !== 0) throw noUser(name, oneLine(stderr) || `exit code ${exitCode}`);
}

function noUser(name: string, why: string): BridgeError {
  return new BridgeError(`the user ${name} could not be made: ${why}`, {
    code: 'usage',
    remedy: 'make it as this system does, with a home folder and the shell /bin/sh, then run this again',
  });
}

/** What sshd goes by, as `sshd -T` says it: keywords in lower case; empty where it cannot be asked. */
async function readSshd(env: NodeJS.ProcessEnv): Promise<ReadonlyMap<string, string>> {
  const { exitCode, stdout } = await run(['sshd', '-T'], env);
  if (exitCode !== 0) return new Map();
  const fields = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const space = line.indexOf(' ');
    if (space < 0) continue;
    const name = line.slice(0, space);
    // Lists are said in several lines.
    const before = fields.get(name);
    const value = line.slice(space + 1).trim();
    fields.set(name, before === undefined || name === 'port' ? value : `${before} ${value}`);
  }
  return fields;
}

function hintOf(sshd: ReadonlyMap<string, string>, user: string): string | null {
  if (sshd.get('pubkeyauthentication') === 'no') return 'sshd takes no keys: set "PubkeyAuthentication yes"';
  const allowed = sshd.get('allowusers');
  const patterns = allowed?.split(/\s+/).map((one) => one.split('@', 1)[0] ?? '') ?? [];
  if (allowed !== undefined && !patterns.includes(user) && !patterns.some((one) => /[*?]/.test(one)))
    return `sshd lets in ${allowed} alone: add ${user} to AllowUsers in /etc/ssh/sshd_config, and reload sshd`;
  const groups = sshd.get('allowgroups');
  return groups === undefined || groups.split(/\s+/).includes(user)
    ? null
    : `sshd lets in the groups ${groups} alone: add ${user} to one of them, or to AllowGroups`;
}

/**
 * The hooks run as the user, by this very Node: one in root's home folder, of nvm say, is out of its reach.
 */
function requireReadable(user: string): void {
  for (const file of [process.execPath, PACKAGE_FILES.preReceive]) {
    try {
      accessSync(file, constants.R_OK);
    } catch (cause) {
      throw new BridgeError(`the user ${user} cannot read ${file}, which the hooks of the bridge need`, {
        code: 'usage',
        remedy:
          'install Node and llm-bridge for all users (not by nvm in a home folder), then run this again',
        cause,
      });
    }
  }
}

async function run(command: Command, env: NodeJS.ProcessEnv) {
  // Where root came by su, its PATH lacks the folders of these programs.
  const wide = { ...env, PATH: `${env.PATH ?? ''}:/usr/sbin:/sbin` };
  const result = await runProgram(command, { env: wide }).catch(() => null);
  return {
    exitCode: result?.exitCode ?? 1,
    stdout: result?.stdout.toString('utf8') ?? '',
    stderr: result?.stderr ?? `${command[0]} was not found`,
  };
}

import { runProgram } from '../process/run-program.js';
import type { Command, UserIds } from '../process/start-program.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';

/** A user as the system knows it. */
export interface UnixUser extends UserIds {
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/** The user of that name or id; null where there is none, and on a system without `getent`. */
export async function findUser(nameOrId: string | number, env: NodeJS.ProcessEnv): Promise<UnixUser | null> {
  const { stdout } = await runTool(['getent', 'passwd', String(nameOrId)], env);
  const [name = '', , uid = '', gid, , home = '', shell = ''] = stdout.trim().split(':');
  const isAsked = name !== '' && (typeof nameOrId === 'string' ? name === nameOrId : uid === `${nameOrId}`);
  return isAsked ? { name, uid: Number(uid), gid: Number(gid), home, shell } : null;
}

/** Makes a user of the system, with a home folder and a shell. Throws BridgeError `usage`. */
export async function makeUser(name: string, env: NodeJS.ProcessEnv): Promise<UnixUser> {
  const words = ['useradd', '--system', '--create-home', '--shell', '/bin/sh', name] as const;
  const { exitCode, stderr } = await runTool(words, env);
  const found = exitCode === 0 ? await findUser(name, env) : null;
  if (found !== null) return found;
  const why = exitCode === 0 ? 'it is not there afterwards' : oneLine(stderr) || `exit code ${exitCode}`;
  throw new BridgeError(`the user ${name} could not be made: ${why}`, {
    code: 'usage',
    remedy: 'make it as this system does, with a home folder and the shell /bin/sh, then run this again',
  });
}

/** Runs a tool for root to its end; one that is not there counts as failed. */
export async function runTool(command: Command, env: NodeJS.ProcessEnv) {
  // After `su`, the PATH of root lacks the folders of these programs.
  const wide = { ...env, PATH: `${env.PATH ?? ''}:/usr/sbin:/sbin` };
  const result = await runProgram(command, { env: wide }).catch(() => null);
  return {
    exitCode: result?.exitCode ?? 1,
    stdout: result?.stdout.toString('utf8') ?? '',
    stderr: result?.stderr ?? `${command[0]} was not found`,
  };
}

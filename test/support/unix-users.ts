import { spawnSync } from 'node:child_process';
import { listProcesses } from '../../src/process/process-table.js';
import { cleanEnv } from './clean-env.js';
import { onCleanup } from './on-cleanup.js';
import { type RunResult, runProcess } from './run-process.js';

/** A user as the system knows it. */
export interface UnixUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/**
 * The prefix of all our user names, followed by the pid of the test. Leftover users are recognised by it.
 */
const PREFIX = 'llmbridge-test-';

const env = () => ({ ...cleanEnv('/'), PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
const run = (file: string, args: readonly string[]): Promise<RunResult> =>
  runProcess(file, args, { env: env() });

/** Why no users can be made here, or null where they can. */
export async function whyNoUsers(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'making users takes root';
  const wanted = ['useradd', 'userdel', 'getent', 'setpriv'];
  const found = await run('sh', ['-c', wanted.map((tool) => `command -v ${tool}`).join(' && ')]);
  return found.exitCode === 0 ? null : `this system lacks one of ${wanted.join(', ')}`;
}

/**
 * A name for a user that the test, or a program it runs, is about to make. At the end the user is removed
 * with home folder and processes, whatever happens before. Users that a killed test has left here are
 * removed too.
 */
export async function reserveUser(purpose: string): Promise<string> {
  await removeLeftUsers();
  const name = `${PREFIX}${process.pid}-${purpose}`;
  // For a process that ends without its cleanups.
  const last = () => void spawnSync('userdel', ['-r', '-f', name], { env: env(), stdio: 'ignore' });
  process.once('exit', last);
  onCleanup(async () => {
    await removeUser(name);
    process.removeListener('exit', last);
  });
  return name;
}

/** Makes a user who can log in only by key. */
export async function addUser(name: string): Promise<void> {
  const made = await run('useradd', ['--create-home', '--shell', '/bin/sh', name]);
  if (made.exitCode !== 0) throw new Error(`useradd failed: ${made.stderr}`);
}

/** The user of that name; null where there is none. */
export async function findUser(name: string): Promise<UnixUser | null> {
  const { stdout } = await run('getent', ['passwd', name]);
  const [found = '', , uid = '', gid = '', , home = ''] = stdout.trim().split(':');
  return found === name ? { name, uid: Number(uid), gid: Number(gid), home } : null;
}

/** The words that run a program as that user, with only the user's groups. */
export function asUser(user: UnixUser, argv: readonly string[]): string[] {
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--', ...argv];
}

async function removeUser(name: string): Promise<void> {
  const user = await findUser(name);
  if (user === null) return;
  const removed = await run('userdel', ['-r', '-f', name]);
  // 12: the home folder could not be removed. Then the message names it, and the user is gone all the same.
  if ((await findUser(name)) !== null) throw new Error(`userdel failed: ${removed.stderr}`);
}

/** Test users whose test process is gone. */
async function removeLeftUsers(): Promise<void> {
  const { stdout } = await run('getent', ['passwd']);
  const names = stdout
    .split('\n')
    .map((line) => line.slice(0, line.indexOf(':')))
    .filter((name) => name.startsWith(PREFIX));
  if (names.length === 0) return;
  const pids = new Set((await listProcesses()).map((entry) => entry.pid));
  for (const name of names) {
    const pid = Number(name.slice(PREFIX.length).split('-')[0]);
    if (!pids.has(pid)) await removeUser(name);
  }
}

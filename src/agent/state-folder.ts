import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import envPaths from 'env-paths';
import writeFileAtomic from 'write-file-atomic';
import { parseAddress } from '../bridge/address.js';
import { lookAtKernelLock, tryKernelLock } from '../process/file-lock.js';
import { faultOf } from '../process/trusted-folder.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { sessionSchema } from '../protocol/claim.js';

/** The folder of one agent, held by one process. */
export interface StateFolder {
  readonly dir: string;
  /** The bare clone in it. */
  readonly cloneDir: string;
  release(): Promise<void>;
}

/**
 * How long to wait for a folder that is in use: its agent may be about to end. Without a kernel's lock, a
 * lock without a sign of life for this long belongs to a killed process. Milliseconds.
 */
const STALE_MS = 10_000;

/** How often a lock that is held is tried again. Milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** The default state folder: one for each address, where the system keeps programs' data. */
export function defaultStateDir(url: string): string {
  const { data } = envPaths('llm-bridge', { suffix: '' });
  const slug = url.replace(/[^A-Za-z0-9]+/g, '-').slice(-40);
  return path.join(data, `agent${slug}-${createHash('sha256').update(url).digest('hex').slice(0, 8)}`);
}

/**
 * The state folder of one of several bridges, in the folder that holds them. `repo`: as BridgeAccess has it.
 */
export function stateDirIn(folder: string, repo: string): string {
  return path.join(folder, path.basename(defaultStateDir(parseAddress(repo).url)));
}

/** What to do about a folder that is not this user's alone. */
export const ANOTHER_FOLDER = 'name one of your own with --state-dir; a new one is made for you alone';

/**
 * Why an agent must not work in a folder; null where it may. The clone in it has a configuration, by which
 * git runs programs: whoever can write it runs programs as this user. A group may have write access, because
 * on many systems each user has a group of his own and a umask of 002.
 */
export function faultOfStateFolder({ uid, mode }: Pick<Stats, 'uid' | 'mode'>): string | null {
  if (process.platform === 'win32') return null;
  return faultOf({ uid, mode: mode & ~0o020 });
}

/**
 * Makes the folder and takes it for this process. Two agents with one folder would push each other's
 * answers, so the second is refused: BridgeError `state-in-use`, after it has waited a while, unless the
 * signal aborts. BridgeError `state-folder` where it cannot be written, or is another user's to write in.
 *
 * The lock is the kernel's where there is one: it is gone as soon as the agent is killed, it cannot be
 * mistaken for that of another process with the same pid, and containers that share the folder share it.
 * Elsewhere it is a folder with a heartbeat; `onLost` is called if another agent took it over, as after the
 * machine slept for longer than STALE_MS.
 */
export async function openStateFolder(
  dir: string,
  signal: AbortSignal,
  onLost: (error: BridgeError) => void,
  onWait: () => void,
): Promise<StateFolder> {
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    throw unusable(dir, cause);
  });
  const fault = faultOfStateFolder(await stat(dir));
  if (fault !== null) {
    throw new BridgeError(`the state folder ${dir} ${fault}`, {
      code: 'state-folder',
      remedy: ANOTHER_FOLDER,
    });
  }
  let release = await take(dir, onLost);
  if (release === null) onWait();
  for (let waitedMs = 0; release === null; waitedMs += LOOK_EVERY_MS) {
    if (waitedMs > STALE_MS + LOOK_EVERY_MS) throw inUse(dir);
    await sleep(LOOK_EVERY_MS, undefined, { signal });
    release = await take(dir, onLost);
  }
  const held = release;
  return { dir, cloneDir: path.join(dir, 'bridge.git'), release: () => held().catch(() => {}) };
}

/** Takes the folder. Returns what releases it; null where another agent has it. */
async function take(
  dir: string,
  onLost: (error: BridgeError) => void,
): Promise<(() => Promise<void>) | null> {
  const kernel = await tryKernelLock(kernelLockOf(dir)).catch((error: NodeJS.ErrnoException) => {
    throw unusable(dir, error);
  });
  if (kernel.status === 'taken') return kernel.release;
  if (kernel.status === 'held') return null;
  const { lock } = await import('proper-lockfile');
  return lock(dir, {
    stale: STALE_MS,
    lockfilePath: lockFolderOf(dir),
    retries: 0,
    onCompromised: () => onLost(inUse(dir)),
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ELOCKED') return null;
    throw unusable(dir, error);
  });
}

function kernelLockOf(dir: string): string {
  return path.join(dir, 'lock');
}

/** The folder that is the lock where the kernel has none. */
function lockFolderOf(dir: string): string {
  return path.join(dir, 'agent.lock');
}

/**
 * Whether an agent works in a state folder. `left`: one was killed there `silentMs` ago, and its lock is
 * still there.
 */
export type StateFolderUse =
  | { readonly status: 'free' | 'held' }
  | { readonly status: 'left'; readonly silentMs: number };

/**
 * Looks at the lock that openStateFolder takes, without taking it. Throws BridgeError `state-folder` where
 * it cannot be read.
 */
export async function lookAtStateFolder(dir: string, nowMs: number): Promise<StateFolderUse> {
  const kernel = await lookAtKernelLock(kernelLockOf(dir)).catch((error: NodeJS.ErrnoException) => {
    // Every agent makes the file before it takes any lock.
    if (error.code === 'ENOENT') return 'free' as const;
    throw unusable(dir, error);
  });
  if (kernel !== 'unavailable') return { status: kernel };
  const folder = await stat(lockFolderOf(dir)).catch(() => null);
  if (folder === null) return { status: 'free' };
  const silentMs = nowMs - folder.mtimeMs;
  return silentMs < STALE_MS ? { status: 'held' } : { status: 'left', silentMs };
}

function inUse(dir: string): BridgeError {
  return new BridgeError(`another agent uses the state folder ${dir}`, {
    code: 'state-in-use',
    remedy: 'stop that one, or give this one a folder of its own with --state-dir',
  });
}

function unusable(dir: string, cause: NodeJS.ErrnoException): BridgeError {
  return new BridgeError(`cannot use the state folder ${dir} (${cause.code ?? cause.message})`, {
    code: 'state-folder',
    remedy: 'make it writable and see that its disk has room, or name another one with --state-dir',
    cause,
  });
}

/**
 * The session of a state folder: made at random once and kept there, so that an agent that was killed knows
 * its own claims again. Where the folder cannot keep it, a new one for this run alone.
 */
export async function openSessionId(stateDir: string): Promise<string> {
  const file = path.join(stateDir, 'session');
  const kept = sessionSchema.safeParse((await readFile(file, 'utf8').catch(() => '')).trim());
  if (kept.success) return kept.data;
  const made = randomBytes(8).toString('hex');
  await writeFileAtomic(file, `${made}\n`, { mode: 0o600 }).catch(() => {});
  return made;
}

import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFileLock } from '../process/file-lock.js';
import { findGitActivity, stillRunning } from '../process/git-processes.js';
import { makeGroupFolder } from '../process/group-files.js';

/** A file or folder that a git process makes for its work and removes at the end. */
export interface LeftLock {
  /** Relative to the repository: `refs/heads/main.lock`, `objects/tmp_objdir-incoming-…`. */
  readonly path: string;
  /** A lock keeps others from writing; a quarantine only takes space. */
  readonly kind: 'lock' | 'quarantine';
  /** When it was last written, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Differs from that of any other file that ever has the same path. */
  readonly identity: string;
}

/** The locks found, and whether they may be removed. */
export interface LockReport {
  /** No living process can hold these. */
  readonly stale: readonly LeftLock[];
  /** A process works on this repository, or we cannot know whether one does. These may be in use. */
  readonly unproven: readonly LeftLock[];
  /** This system does not show which processes run. */
  readonly isBlind: boolean;
}

/** Options for the search. */
export interface StaleLockOptions {
  /**
   * How long the processes of the first look get to end, where a lock stays. On a busy bridge some process
   * always works, but each only for a moment. Default 0. Milliseconds.
   */
  readonly waitMs?: number;
  /** Default `/proc`. */
  readonly procFolder?: string | undefined;
}

/** No event says when another user's process ends, so we look this often. */
const LOOK_EVERY_MS = 50;

/**
 * Finds locks and quarantine folders in a bridge whose git is gone (SIGKILL, power). Age proves nothing. The
 * proof: git makes and removes a lock within one process, and hands it to no other. We list the locks first
 * and look at all processes afterwards. So the process that made a listed lock has either ended, or is among
 * those we saw: a process that has the lock open, or a git or hook that works on this repository or might.
 * When all of these have ended and the lock is still there unchanged, it is stale. A process that started
 * later cannot have made it.
 *
 * This holds on one machine only, not for a repository that several machines mount. This user must see all
 * processes; containers that share a folder cannot. Without `/proc` nothing is ever proven.
 */
export async function findStaleLocks(
  gitDir: string,
  // biome-ignore lint/plugin: where there is none, no lock is ever proven to be stale
  { waitMs = 0, procFolder = '/proc' }: StaleLockOptions = {},
): Promise<LockReport> {
  const before = await listLocks(gitDir);
  if (before.length === 0) return { stale: [], unproven: [], isBlind: false };
  let suspects = await findGitActivity(gitDir, procFolder);
  const giveUpAt = performance.now() + waitMs;
  for (;;) {
    const { same, changed } = await compare(gitDir, before);
    if (suspects?.length === 0) return { stale: same, unproven: changed, isBlind: false };
    if (suspects === null || same.length === 0 || performance.now() >= giveUpAt)
      return { stale: [], unproven: [...same, ...changed], isBlind: suspects === null };
    await sleep(LOOK_EVERY_MS);
    suspects = await stillRunning(suspects, procFolder);
  }
}

/**
 * Removes stale locks, as findStaleLocks has found them. Returns those that it removed, and those that could
 * not be removed, each with the reason. A lock that is gone, or was replaced by another of the same name, is
 * left alone: of two processes that clean up at once, the second would otherwise remove the new lock of a
 * git that the first had let through.
 */
export async function removeStaleLocks(
  gitDir: string,
  stale: readonly LeftLock[],
): Promise<{ readonly removed: LeftLock[]; readonly failed: { lock: LeftLock; reason: string }[] }> {
  const removed: LeftLock[] = [];
  const failed: { lock: LeftLock; reason: string }[] = [];
  if (stale.length === 0) return { removed, failed };
  const folder = path.join(gitDir, 'bridge');
  await makeGroupFolder(folder);
  return withFileLock(path.join(folder, 'doctor.lock'), async () => {
    for (const lock of stale) {
      const file = path.join(gitDir, lock.path);
      if ((await lookAt(gitDir, lock.path, lock.kind))?.identity !== lock.identity) continue;
      try {
        await rm(file, { recursive: lock.kind === 'quarantine' });
        removed.push(lock);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT') failed.push({ lock, reason: code ?? message });
      }
    }
    return { removed, failed };
  });
}

/** The sentence that says which lock was removed. */
export function removedLock(lock: LeftLock): string {
  return `removed ${lock.path}, left by a killed git since ${new Date(lock.sinceMs).toISOString()}`;
}

/**
 * Which locks are unchanged, and which were replaced by others of the same name. A removed lock is neither.
 */
async function compare(
  gitDir: string,
  before: readonly LeftLock[],
): Promise<{ same: LeftLock[]; changed: LeftLock[] }> {
  const same: LeftLock[] = [];
  const changed: LeftLock[] = [];
  for (const lock of before) {
    const now = await lookAt(gitDir, lock.path, lock.kind);
    if (now !== null) (now.identity === lock.identity ? same : changed).push(lock);
  }
  return { same, changed };
}

/** The folders, relative to the repository, in which git makes locks. `deep`: also in the folders below. */
const LOCK_FOLDERS = [
  { folder: '.', deep: false },
  { folder: 'refs', deep: true },
  { folder: 'logs', deep: true },
  { folder: 'objects', deep: false },
  { folder: 'objects/info', deep: true },
  { folder: 'objects/pack', deep: false },
] as const;

async function listLocks(gitDir: string): Promise<LeftLock[]> {
  const inFolders = await Promise.all(
    LOCK_FOLDERS.map(async ({ folder, deep }) =>
      (await namesIn(path.join(gitDir, folder), deep))
        .filter((name) => name.endsWith('.lock'))
        .map((name) => path.posix.join(folder, name)),
    ),
  );
  const locks = [...inFolders.flat().sort(), ...NO_LOCK_BY_NAME];
  const quarantines = (await namesIn(path.join(gitDir, 'objects'))).filter((name) =>
    name.startsWith('tmp_objdir-'),
  );
  const found = await Promise.all([
    ...locks.map((name) => lookAt(gitDir, name, 'lock')),
    ...quarantines.map((name) => lookAt(gitDir, `objects/${name}`, 'quarantine')),
  ]);
  return found.filter((one) => one !== null);
}

/** git makes this file only where there is none. One that a killed git has left would stop it for ever. */
const NO_LOCK_BY_NAME = ['packed-refs.new'];

async function namesIn(folder: string, recursive = false): Promise<string[]> {
  return readdir(folder, { recursive }).catch(() => []);
}

async function lookAt(gitDir: string, name: string, kind: LeftLock['kind']): Promise<LeftLock | null> {
  const stats = await stat(path.join(gitDir, name), { bigint: true }).catch(() => null);
  if (stats === null) return null;
  const identity = `${stats.ino} ${stats.ctimeNs} ${stats.birthtimeNs}`;
  return { path: name, kind, sinceMs: Number(stats.mtimeMs), identity };
}

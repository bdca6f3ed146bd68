import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFileLock } from '../process/file-lock.js';
import { findGitActivity, stillRunning } from '../process/git-processes.js';
import { makeGroupFolder } from '../process/group-files.js';

/** Something that a git process makes for the time of its work and removes at the end. */
export interface LeftLock {
  /** Relative to the repository: `refs/heads/main.lock`, `objects/tmp_objdir-incoming-…`. */
  readonly path: string;
  /** A lock keeps others from writing; a quarantine only takes space. */
  readonly kind: 'lock' | 'quarantine';
  /** When it was last written, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Tells it from any other that ever has its name. */
  readonly identity: string;
}

/** What there is, and whether it may be removed. */
export interface LockReport {
  /** Nobody is left who could be holding them. */
  readonly stale: readonly LeftLock[];
  /** A process works on this repository, or it cannot be known whether one does: they may be in use. */
  readonly unproven: readonly LeftLock[];
  /** Nothing tells here which processes run. */
  readonly isBlind: boolean;
}

/** How it is looked for. */
export interface StaleLockOptions {
  /**
   * So long those who were at work at the first look may take to end, where a lock lasts: on a bridge in use somebody always is at work,
   * but each of them for a moment only. Default 0. Milliseconds.
   */
  readonly waitMs?: number;
  /** Default `/proc`. */
  readonly procFolder?: string | undefined;
}

/** No event tells when a process of somebody else ends, so it is looked at this often. */
const LOOK_EVERY_MS = 50;

/**
 * Finds locks and quarantine folders in a bridge whose git is gone (SIGKILL, power). Age proves nothing. git makes and removes them itself,
 * within one process, and hands them to no other; so whoever made a lock that was there before a look at every process had ended by then,
 * or was seen by it. Stale is a lock that is there, untouched, when all of those have ended who had it open, or were a git or a hook
 * that works on this repository or might. Who has come since cannot have made it.
 * Holds for one machine: not for a repository that several mount, and where this user can see all processes
 * (containers that share a folder cannot). Without `/proc` nothing is ever proven.
 */
export async function findStaleLocks(
  gitDir: string,
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
 * Removes locks that findStaleLocks has proven to be nobody's. Answers those that could not be removed, each with the reason. One that is
 * gone, or is another's of the same name by now, is left alone: two who clear up at once would else remove what a git made
 * after the first of them had made way for it.
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

/** The sentence that says what became of a lock that was removed. */
export function removedLock(lock: LeftLock): string {
  return `removed ${lock.path}, left by a killed git since ${new Date(lock.sinceMs).toISOString()}`;
}

/** Which locks are as they were, and which are others of the same name by now. What was removed is neither. */
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

/** Folders, relative to the repository, in which git makes locks; `deep`: also in the folders below. */
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

/** git makes this one only where it is not there yet, and so never again where a killed git has left it. */
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

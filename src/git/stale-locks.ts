import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findGitActivity, stillRunning } from '../process/git-processes.js';

/** Something that a git process makes for the time of its work and removes at the end. */
export interface LeftLock {
  /** Relative to the repository: `refs/heads/main.lock`, `objects/tmp_objdir-incoming-…`. */
  readonly path: string;
  /** A lock keeps others from writing; a quarantine only takes space. */
  readonly kind: 'lock' | 'quarantine';
  /** When it was last written, milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** What there is, and whether it may be removed. */
export interface LockReport {
  /** Nobody is left who could be holding them. */
  readonly stale: readonly LeftLock[];
  /** A process works on this repository, or it cannot be known whether one does: they may be in use. */
  readonly unproven: readonly LeftLock[];
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
  if (before.length === 0) return { stale: [], unproven: [] };
  let suspects = await findGitActivity(gitDir, procFolder);
  const giveUpAt = performance.now() + waitMs;
  for (;;) {
    const { same, changed } = await compare(gitDir, before);
    if (suspects?.length === 0) return { stale: same, unproven: changed };
    if (suspects === null || same.length === 0 || performance.now() >= giveUpAt)
      return { stale: [], unproven: [...same, ...changed] };
    await sleep(LOOK_EVERY_MS);
    suspects = await stillRunning(suspects, procFolder);
  }
}

/** Which locks are as they were, and which are others of the same name by now. What was removed is neither. */
async function compare(
  gitDir: string,
  before: readonly { lock: LeftLock; stats: BigIntStats }[],
): Promise<{ same: LeftLock[]; changed: LeftLock[] }> {
  const same: LeftLock[] = [];
  const changed: LeftLock[] = [];
  for (const { lock, stats } of before) {
    const now = await statOf(path.join(gitDir, lock.path));
    if (now === null) continue;
    const isSame =
      now.ino === stats.ino && now.ctimeNs === stats.ctimeNs && now.birthtimeNs === stats.birthtimeNs;
    (isSame ? same : changed).push(lock);
  }
  return { same, changed };
}

async function listLocks(gitDir: string): Promise<{ lock: LeftLock; stats: BigIntStats }[]> {
  const top = (await namesIn(gitDir)).filter((name) => name.endsWith('.lock'));
  const inRefs = (await namesIn(path.join(gitDir, 'refs'), true)).filter((name) => name.endsWith('.lock'));
  const inObjects = await namesIn(path.join(gitDir, 'objects'));
  const nested = await Promise.all(
    ['objects/info', 'objects/info/commit-graphs', 'objects/pack'].map(async (folder) =>
      (await namesIn(path.join(gitDir, folder)))
        .filter((name) => name.endsWith('.lock'))
        .map((name) => `${folder}/${name}`),
    ),
  );
  const found = [
    ...[...top, ...inRefs.map((name) => `refs/${name}`), ...nested.flat()].map(
      (name) => [name, 'lock'] as const,
    ),
    ...inObjects
      .filter((name) => name.startsWith('tmp_objdir-'))
      .map((name) => [`objects/${name}`, 'quarantine'] as const),
  ];
  const locks: { lock: LeftLock; stats: BigIntStats }[] = [];
  for (const [name, kind] of found) {
    const stats = await statOf(path.join(gitDir, name));
    if (stats === null) continue;
    locks.push({ lock: { path: name, kind, sinceMs: Number(stats.mtimeMs) }, stats });
  }
  return locks;
}

async function namesIn(folder: string, recursive = false): Promise<string[]> {
  return readdir(folder, { recursive }).catch(() => []);
}

async function statOf(file: string): Promise<BigIntStats | null> {
  return stat(file, { bigint: true }).catch(() => null);
}

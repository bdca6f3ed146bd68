import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { findGitActivity } from './git-activity.js';

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

/**
 * Finds locks and quarantine folders in a bridge whose git is gone (SIGKILL, power). Age proves nothing: a lock is stale where it was there
 * before and, untouched, after a look at every process found none that has it open, and no git that works on this
 * repository or might. git makes and removes them itself, within one process, so whoever made such a lock had ended by the look.
 * Holds for one machine: not for a repository that several mount, and where this user can see all processes
 * (containers that share a folder cannot). Without `/proc` nothing is ever proven.
 */
export async function findStaleLocks(gitDir: string, procFolder = '/proc'): Promise<LockReport> {
  const before = await listLocks(gitDir);
  if (before.length === 0) return { stale: [], unproven: [] };
  const isProven = (await findGitActivity(gitDir, procFolder)) === 'none';
  const stale: LeftLock[] = [];
  const unproven: LeftLock[] = [];
  for (const { lock, stats } of before) {
    const now = await statOf(path.join(gitDir, lock.path));
    // Removed, or made anew by somebody who came after the look.
    if (now === null) continue;
    const isSame =
      now.ino === stats.ino && now.ctimeNs === stats.ctimeNs && now.birthtimeNs === stats.birthtimeNs;
    (isProven && isSame ? stale : unproven).push(lock);
  }
  return { stale, unproven };
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

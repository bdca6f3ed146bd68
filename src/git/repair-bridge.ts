import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readSmallFile, writeDurably } from '../process/durable-file.js';
import { MAIN_REF } from '../protocol/names.js';
import { BESIDE_PREFIX, findBrokenRefs, removeBrokenRefs, removedRef } from './broken-refs.js';
import { isBrokenRefFile } from './ref-files.js';
import { logRepairs } from './repairs-log.js';
import type { Repository } from './run-git.js';
import { findStaleLocks, removedLock, removeStaleLocks } from './stale-locks.js';

/** How a bridge is put right. */
export interface RepairOptions {
  /** So long those who are at work may take to end, where a lock lasts. Milliseconds. */
  readonly waitMs: number;
  readonly now: () => number;
  /** Default `/proc`. */
  readonly procFolder?: string | undefined;
}

/**
 * Where nothing tells which processes run, a lock counts as left behind when it is older than this: a push may take `bridge.receiveTimeout`
 * (300 s) and a minute, and holds a lock for a moment of that. Not on Linux, which does tell. Milliseconds.
 */
const OLD_LOCK_MS = 720_000;

/** A lock of a git that lives is gone in a moment: so often, and so long each time, it is left to it. */
const LIVING_LOOKS = 5;
const LIVING_LOOK_MS = 20;

/**
 * Puts right what a git that was killed, or a power cut, has left in a bridge, and what would stop every push until a person came: a HEAD
 * that says nothing, broken refs beside the record, and locks. A lock goes by the proof of findStaleLocks: that of a git which lives is never
 * touched. Nothing of the record is. Answers a sentence for each thing that was done, which `bridge/repairs.log` has too.
 */
export async function repairBridge(
  repo: Repository,
  { waitMs, now, procFolder }: RepairOptions,
): Promise<readonly string[]> {
  const { gitDir } = repo;
  const done: string[] = [];
  if (await restoreHead(gitDir)) done.push('restored HEAD, which said nothing');
  done.push(...(await repairRefs(repo)));
  const { stale, unproven, isBlind } = await findStaleLocks(gitDir, { waitMs, procFolder });
  const old = unproven.filter(
    ({ kind, sinceMs }) => isBlind && kind === 'lock' && now() - sinceMs > OLD_LOCK_MS,
  );
  const { removed } = await removeStaleLocks(gitDir, [...stale, ...old]);
  done.push(...removed.map(removedLock));
  // One of them may have been the lock of a broken ref.
  if (removed.length > 0) done.push(...(await repairRefs(repo)));
  await logRepairs(gitDir, done, now());
  return done;
}

async function repairRefs(repo: Repository): Promise<string[]> {
  const broken = await findBrokenRefs(repo, BESIDE_PREFIX);
  return (await removeBrokenRefs(repo, broken)).map(removedRef);
}

/** The same where something stands in the way of a push, and else nothing: a few looks at names, and no process. To be called before a push. */
export async function clearTheWay(repo: Repository, options: RepairOptions): Promise<readonly string[]> {
  for (let look = 0; look < LIVING_LOOKS; look += 1) {
    if (!isBlocked(repo.gitDir)) return [];
    await sleep(LIVING_LOOK_MS);
  }
  return repairBridge(repo, options);
}

/** What git needs for moving main, claims and presence. `bridge/ssh-command` looks at the same, for an agent elsewhere. */
const LOCKS = ['HEAD.lock', 'packed-refs.lock', 'packed-refs.new', `${MAIN_REF}.lock`];

function isBlocked(gitDir: string): boolean {
  return (
    LOCKS.some((name) => existsSync(path.join(gitDir, name))) ||
    isHeadBroken(gitDir) ||
    namesIn(path.join(gitDir, BESIDE_PREFIX)).some((kind) =>
      namesIn(path.join(gitDir, BESIDE_PREFIX, kind)).some(
        (name) => name.endsWith('.lock') || isBrokenRefFile(gitDir, `${BESIDE_PREFIX}${kind}/${name}`),
      ),
    )
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether HEAD is there and says nothing, as after a power cut: then git takes the bridge for no repository. */
export function isHeadBroken(gitDir: string): boolean {
  const text = readSmallFile(path.join(gitDir, 'HEAD'));
  return text !== null && !/^(?:ref: \S+|[0-9a-f]{40,64})\n/.test(text);
}

/** HEAD of a bridge never says anything else than it did on the first day. True where it had to be written. */
export async function restoreHead(gitDir: string): Promise<boolean> {
  if (!isHeadBroken(gitDir)) return false;
  const file = path.join(gitDir, 'HEAD');
  await writeDurably({
    file,
    temporary: `${file}.${process.pid}.new`,
    bytes: `ref: ${MAIN_REF}\n`,
    mode: { file: 0o640, folder: 0o750, whateverUmask: true },
  });
  return true;
}

import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { namesIn, readSmallFile, writeDurably } from '../process/durable-file.js';
import { MAIN_REF } from '../protocol/names.js';
import { BESIDE_PREFIX, findBrokenRefs, removeBrokenRefs, removedRef } from './broken-refs.js';
import { isBrokenRefFile } from './ref-files.js';
import { logRepairs } from './repairs-log.js';
import type { Repository } from './run-git.js';
import { findStaleLocks, removedLock, removeStaleLocks } from './stale-locks.js';

/** Options for the repair of a bridge. */
export interface RepairOptions {
  /**
   * How long to wait for the processes that work on the bridge, where a lock stays. Default: 5 s, because
   * somebody waits for the repair. Milliseconds.
   */
  readonly waitMs?: number;
  /** Default: the clock of this machine. */
  readonly now?: () => number;
  /** Default `/proc`. */
  readonly procFolder?: string | undefined;
}

/**
 * Where the system does not show which processes run, a lock older than this counts as stale. A push may
 * take `bridge.receiveTimeout` (300 s) and a minute, and holds a lock for a moment of that; this is twice as
 * long. Not used on Linux, which shows the processes. Milliseconds.
 */
const OLD_LOCK_MS = 720_000;

/**
 * A running git removes its lock in a moment. We look this often, with this pause, before anything is
 * repaired.
 */
const LIVING_LOOKS = 5;
const LIVING_LOOK_MS = 20;

/**
 * Repairs what a killed git or a power cut has left in a bridge, and what would stop every push until a
 * person came: an empty HEAD, broken refs outside the record, and locks. findStaleLocks proves that a lock
 * is stale, so the lock of a running git is never touched; only where the system does not show the processes
 * the age of the lock decides. The record is never touched. Returns a sentence for each repair, and writes
 * the same sentences into `bridge/repairs.log`.
 */
export async function repairBridge(
  repo: Repository,
  { waitMs = 5_000, now = Date.now, procFolder }: RepairOptions = {},
): Promise<readonly string[]> {
  const { gitDir } = repo;
  const done: string[] = [];
  if (await restoreHead(gitDir)) done.push(RESTORED_HEAD);
  done.push(...(await repairRefs(repo)));
  const { stale, unproven, isBlind } = await findStaleLocks(gitDir, { waitMs, procFolder });
  const old = unproven.filter(
    ({ kind, sinceMs }) => isBlind && kind === 'lock' && now() - sinceMs > OLD_LOCK_MS,
  );
  const { removed } = await removeStaleLocks(gitDir, [...stale, ...old]);
  done.push(...removed.map(removedLock));
  // One of the stale locks may have blocked a broken ref.
  if (removed.length > 0) done.push(...(await repairRefs(repo)));
  await logRepairs(gitDir, done, now());
  return done;
}

async function repairRefs(repo: Repository): Promise<string[]> {
  const broken = await findBrokenRefs(repo, BESIDE_PREFIX);
  return (await removeBrokenRefs(repo, broken)).map(removedRef);
}

/**
 * The same, but only where something blocks a push; else it costs a few looks at names and no process. Call
 * it before a push.
 */
export async function clearTheWay(repo: Repository, options?: RepairOptions): Promise<readonly string[]> {
  for (let look = 0; look < LIVING_LOOKS; look += 1) {
    if (!isBlocked(repo.gitDir)) return [];
    await sleep(LIVING_LOOK_MS);
  }
  return repairBridge(repo, options);
}

/**
 * The locks git needs to move main and the refs beside it. `bridge/ssh-command` checks the same paths, for a
 * remote agent.
 */
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

/**
 * Whether HEAD holds neither a ref nor an id, or is gone, as after a power cut. git then does not accept the
 * bridge as a repository.
 */
export function isHeadBroken(gitDir: string): boolean {
  const text = readSmallFile(path.join(gitDir, 'HEAD'));
  // A folder without a HEAD may be something else altogether.
  if (text === null) return existsSync(path.join(gitDir, 'bridge', 'ssh-command'));
  return !/^(?:ref: \S+|[0-9a-f]{40,64})\n/.test(text);
}

/** The sentence that says that HEAD was restored. */
export const RESTORED_HEAD = 'restored HEAD, which said nothing';

/** Writes HEAD again; its content never changes after `init`. True where it had to be written. */
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

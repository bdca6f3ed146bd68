import type { ChosenWindow } from '../bridge/chosen-window.js';
import { readCommits, readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { isExpired } from '../protocol/queue.js';
import { type ListHead, readBehind, readListBytes, readListHead, scanList } from './open-list.js';

/** Which tasks without an answer the caller wants to see. */
export interface WantedTasks {
  /** How many of those that wait, the oldest first. */
  readonly pending: number;
  /** How many of those that have expired: the newest. */
  readonly expired: number;
  /** These in any case. */
  readonly ids: ReadonlySet<string>;
}

/** The part of history that tasks can be pending in. */
export interface HistoryWindow {
  /** The oldest first. Only tasks without an answer and without a cancel were left out. */
  readonly commits: readonly HistoryCommit[];
  /** How many tasks were left out: younger ones that wait, and older ones that have expired. */
  readonly left: { readonly pending: number; readonly expired: number };
}

/** The server's clock, milliseconds since the epoch, and how long a task lives. */
interface WindowClock {
  readonly nowMs: number;
  readonly ttlMs: number;
}

/** The commits of a window that are wanted, chosen by the list of open tasks. */
export interface ChosenCommits {
  /** The ids of those in the list, the oldest first. */
  readonly listed: readonly string[];
  /** All that came after the list. */
  readonly behind: readonly HistoryCommit[];
  readonly left: HistoryWindow['left'];
}

/**
 * Reads the part of history that tasks can be pending in, as far as it is wanted. Where the bridge has a
 * list of open tasks, what is not wanted is counted there and not read: nobody walks past fifty thousand
 * tasks to show twenty. Else all is read. `known`: what a server has chosen for a clone, which has no such
 * list. Throws BridgeError `git-failed`.
 */
export async function readWindow(
  repo: Repository,
  tip: string,
  clock: WindowClock,
  wanted: WantedTasks,
  known: ChosenWindow | null = null,
): Promise<HistoryWindow> {
  if (known !== null) return { commits: await readCommits(repo, known.ids), left: known.left };
  const chosen = await chooseWindow(repo, tip, clock, wanted).catch(() => null);
  if (chosen !== null) {
    const { listed, behind, left } = chosen;
    const read = await readCommits(repo, listed).catch(() => null);
    if (read !== null) return { commits: [...read, ...behind], left };
  }
  const commits = await readHistory(repo, { from: [tip], sinceMs: beginOf(clock) });
  return { commits, left: { pending: 0, expired: 0 } };
}

/** The date of the first commit that can matter. Milliseconds since the epoch. */
function beginOf({ nowMs, ttlMs }: WindowClock): number {
  return nowMs - ttlMs - HISTORY_MARGIN_MS;
}

/**
 * Chooses the commits that are wanted by the list of open tasks; null where it does not say enough, or
 * leaves nothing out. Throws what readBehind throws.
 */
export async function chooseWindow(
  repo: Repository,
  tip: string,
  times: WindowClock,
  wanted: WantedTasks,
): Promise<ChosenCommits | null> {
  const clock = { ...times, sinceMs: beginOf(times) };
  const head = await readListHead(repo);
  if (head?.from_ms == null || head.from_ms > clock.sinceMs) return null;
  if (head.open <= wanted.pending && head.open <= wanted.expired) return null;
  const [list, behind] = await Promise.all([readListBytes(repo), readBehind(repo, tip, head)]);
  if (list === null || behind === null || list.head.at !== head.at) return null;
  // These are read in any case: their state depends on more than the list.
  const asked = new Set(wanted.ids);
  for (const commit of behind) {
    const { kind } = messageOf(commit);
    if (kind === 'answer' || kind === 'cancel') asked.add(commit.taskTrailer);
  }
  const chosen = choose(list, asked, clock, wanted);
  if (chosen === null) return null;
  return { listed: chosen.ids, behind, left: chosen.left };
}

/** Which commits of a list are read, in its order; null where it is torn. */
function choose(
  list: { readonly head: ListHead; readonly bytes: Buffer },
  asked: ReadonlySet<string>,
  clock: { readonly nowMs: number; readonly ttlMs: number; readonly sinceMs: number },
  wanted: WantedTasks,
): { readonly ids: readonly string[]; readonly left: HistoryWindow['left'] } | null {
  const { bytes } = list;
  /** Where the ids stand. */
  const chosen: [from: number, to: number][] = [];
  const expired: [from: number, to: number][] = [];
  let pending = 0;
  const isWhole = scanList(list, (kind, atMs, from, to) => {
    if (atMs < clock.sinceMs) return;
    if (kind !== 'open' || (asked.size > 0 && asked.has(bytes.toString('latin1', from, to))))
      chosen.push([from, to]);
    else if (isExpired(atMs, clock)) expired.push([from, to]);
    else if (pending++ < wanted.pending) chosen.push([from, to]);
  });
  if (!isWhole) return null;
  const past = Math.max(0, expired.length - wanted.expired);
  const ids = [...chosen, ...expired.slice(past)]
    .sort((a, b) => a[0] - b[0])
    .map(([from, to]) => bytes.toString('latin1', from, to));
  return { ids, left: { pending: Math.max(0, pending - wanted.pending), expired: past } };
}

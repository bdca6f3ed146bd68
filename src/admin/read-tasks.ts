import { sameModel } from '../agent/backends/same-model.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { ChosenWindow } from '../bridge/chosen-window.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { type Place, readPlaces } from '../bridge/task-places.js';
import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import type { LargeMessages } from '../log/large-messages.js';
import type { HistoryCommit } from '../protocol/history.js';
import { readWindow } from '../rules/read-window.js';
import { isOpen, type TaskRow, taskRows } from './task-rows.js';
import { readWaits } from './task-waits.js';

/** What the tasks of a bridge are judged by, besides history. */
export interface TasksContext {
  readonly ref: string;
  /** By the server's clock, milliseconds since the epoch. */
  readonly nowMs: number;
  readonly ttlMs: number;
  readonly who: WhoWorks;
  /** False where agents do not say that they are there. */
  readonly takesClaims: boolean;
}

/** The tasks of a bridge that can be pending, in the order of asking. */
export interface KnownTasks {
  /** The part of history that they are in, from old to new, without what was left out. */
  readonly commits: readonly HistoryCommit[];
  readonly rows: readonly TaskRow[];
  /** How many tasks have no row: younger ones that wait, and older ones that have expired. */
  readonly left: { readonly pending: number; readonly expired: number };
}

/** How many of the tasks without an answer are wanted. Default: all. */
export interface TasksWanted {
  /** How many of those that wait: the oldest. The others are counted. */
  readonly pending?: number;
  /** How many of those that have expired: the newest. The others are counted. */
  readonly expired?: number;
  /** What the view has brought of history (`BridgeView.window`). Default: all of it is there. */
  readonly chosen?: ChosenWindow | null;
  /** Brings the large files that a clone has left out. */
  readonly large?: LargeMessages;
}

/** What the tasks of a view are judged by now. */
export function tasksContext({ ref, terms }: Pick<BridgeView, 'ref' | 'terms'>, who: WhoWorks): TasksContext {
  const { taskTtlMs: ttlMs, claimLeaseMs } = terms;
  return { ref, nowMs: terms.serverNow(), ttlMs, who, takesClaims: claimLeaseMs !== null };
}

/**
 * Reads the tasks of a bridge: the one look at history for `list`, `status`, `doctor`, `wake` and the page.
 * It reads the files of pending tasks, for whom they wait; else no question and no answer.
 */
export async function readTasks(
  repo: Repository,
  context: TasksContext,
  {
    pending: most = Number.POSITIVE_INFINITY,
    expired = Number.POSITIVE_INFINITY,
    chosen = null,
    large,
  }: TasksWanted = {},
): Promise<KnownTasks> {
  const { ref, nowMs, ttlMs, who } = context;
  const wanted = { pending: most, expired, ids: new Set(who.running.keys()) };
  const { commits, left } = await readWindow(repo, ref, { nowMs, ttlMs }, wanted, chosen);
  const all = taskRows(commits, { nowMs, ttlMs, running: who.running });
  const dropped = new Set([
    ...all.filter(({ state }) => state === 'pending').slice(most),
    ...olderOf(
      all.filter(({ state }) => state === 'expired'),
      expired,
    ),
  ]);
  const rows = all.filter((row) => !dropped.has(row));
  const pending = idsOf(rows, ({ state }) => state === 'pending');
  const asked = commits.filter(({ id }) => pending.has(id));
  if (large !== undefined) {
    const reader = openObjectReader(repo);
    await large.bring(reader, asked).finally(() => reader.close());
  }
  const waits = await readWaits(repo, asked, context);
  const young = [...dropped].filter(({ state }) => state === 'pending').length;
  return {
    commits,
    left: { pending: left.pending + young, expired: left.expired + dropped.size - young },
    rows: rows.map((row) => {
      const { waits: waits_for = null, waited: waiting = null } = waits.get(row.task) ?? {};
      return { ...row, waits_for, waiting };
    }),
  };
}

/** All but the newest `count`. */
function olderOf<T>(rows: readonly T[], count: number): readonly T[] {
  return rows.slice(0, Math.max(0, rows.length - count));
}

/**
 * The places of those of these tasks that are open, and about how long each takes. Empty where some that
 * wait were left out: the place of each depends on all.
 */
export async function placesOf(
  repo: Repository,
  { commits, rows, left }: KnownTasks,
  { who, nowMs }: TasksContext,
): Promise<ReadonlyMap<string, Place>> {
  if (left.pending > 0) return new Map();
  const open = idsOf(rows, isOpen);
  return readPlaces(repo, {
    ...{ commits, who, nowMs, sameModel },
    open: commits.filter(({ id }) => open.has(id)),
    pending: idsOf(rows, ({ state }) => state === 'pending'),
  });
}

function idsOf(rows: readonly TaskRow[], filter: (row: TaskRow) => boolean): ReadonlySet<string> {
  return new Set(rows.filter(filter).map(({ task }) => task));
}

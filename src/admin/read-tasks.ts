import { sameModel } from '../agent/backends/same-model.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { type Place, readPlaces } from '../bridge/task-places.js';
import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import type { LargeMessages } from '../log/large-messages.js';
import type { HistoryCommit } from '../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
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
  /** The part of history that they are in, from old to new. */
  readonly commits: readonly HistoryCommit[];
  readonly rows: readonly TaskRow[];
}

/** What the tasks of a view are judged by now. */
export function tasksContext({ ref, terms }: Pick<BridgeView, 'ref' | 'terms'>, who: WhoWorks): TasksContext {
  const { taskTtlMs: ttlMs, claimLeaseMs } = terms;
  return { ref, nowMs: terms.serverNow(), ttlMs, who, takesClaims: claimLeaseMs !== null };
}

/**
 * Reads the tasks of a bridge: the one walk through history that `list`, `status`, `doctor`, `wake` and the
 * page go by. Of pending tasks it reads for whom they wait; else no question and no answer. `large` brings
 * those that the repository has left out.
 */
export async function readTasks(
  repo: Repository,
  context: TasksContext,
  large?: LargeMessages,
): Promise<KnownTasks> {
  const { ref, nowMs, ttlMs, who } = context;
  const commits = await readHistory(repo, { from: [ref], sinceMs: nowMs - ttlMs - HISTORY_MARGIN_MS });
  const rows = taskRows(commits, { nowMs, ttlMs, running: who.running });
  const pending = idsOf(rows, ({ state }) => state === 'pending');
  const asked = commits.filter(({ id }) => pending.has(id));
  if (large !== undefined) {
    const reader = openObjectReader(repo);
    await large.bring(reader, asked).finally(() => reader.close());
  }
  const waits = await readWaits(repo, asked, context);
  return {
    commits,
    rows: rows.map((row) => {
      const { waits: waits_for = null, waited: waiting = null } = waits.get(row.task) ?? {};
      return { ...row, waits_for, waiting };
    }),
  };
}

/** Where the open ones of these tasks stand, and about how long each takes. */
export function placesOf(
  repo: Repository,
  { commits, rows }: KnownTasks,
  { who, nowMs }: TasksContext,
): Promise<ReadonlyMap<string, Place>> {
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

import type { BridgeAccess } from '../bridge/connection.js';
import { MAX_PLACED } from '../bridge/task-places.js';
import { openToRead } from '../log/catch-up-log.js';
import { placesOf, readTasks, tasksContext } from './read-tasks.js';
import { newestRows, type TaskRow } from './task-rows.js';
import type { TaskState } from './task-state.js';

/** Which tasks are listed. */
export interface ListWanted {
  /** Only those in this state. Default: all. */
  readonly state: TaskState | undefined;
  /** How many of those that wait: the oldest. */
  readonly pending: number;
  /** How many of those that are over: the newest. */
  readonly over: number;
}

/** Tasks of a bridge. */
export interface ListedTasks {
  /** In the order of asking. */
  readonly rows: readonly TaskRow[];
  /** How many more of the wanted ones wait: they are younger. */
  readonly more: number;
  /** By the bridge's clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * Lists the tasks in the part of history in which tasks can be pending. Of questions and answers it reads
 * only what commits say, but for tasks that wait. Throws BridgeError as openToRead does.
 */
export async function listTasks(
  access: BridgeAccess,
  { state, pending, over }: ListWanted,
): Promise<ListedTasks> {
  const view = await openToRead(access, 'chosen');
  try {
    const arePending = state === undefined || state === 'pending';
    // The place of each depends on all that wait.
    const read = arePending ? Math.max(pending, MAX_PLACED) : 0;
    const wanted = { pending: read, expired: over };
    const chosen = await view.window(wanted);
    const context = tasksContext(view, await view.whoWorks());
    const tasks = await readTasks(view.repo, context, { ...wanted, chosen });
    const places = arePending ? await placesOf(view.repo, tasks, context) : new Map<string, never>();
    const ofState = tasks.rows.filter((row) => state === undefined || row.state === state);
    const young = ofState.filter((row) => row.state === 'pending').slice(pending);
    const dropped = new Set(young);
    return {
      rows: newestRows(ofState, over)
        .filter((row) => !dropped.has(row))
        .map((row) => ({ ...row, place: places.get(row.task)?.place ?? null })),
      more: arePending ? young.length + tasks.left.pending : 0,
      nowMs: context.nowMs,
    };
  } finally {
    await view.close();
  }
}

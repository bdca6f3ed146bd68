import { sameModel } from '../agent/backends/same-model.js';
import { attendanceOf } from '../bridge/attendance.js';
import { readAskedTask } from '../bridge/read-asked-task.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { wantedModelOf } from '../bridge/wanted-model.js';
import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import type { HistoryCommit } from '../protocol/history.js';
import type { TaskJson } from '../protocol/task.js';
import { type WhoIsWaited, whoIsWaited } from './who-waits.js';

/** The agents that a pending task waits for, because they have the model it names. Times are ISO 8601. */
export interface WaitsFor {
  readonly model: string;
  /** `seen_at` is null for one that never said that it was there. */
  readonly agents: readonly { readonly name: string; readonly seen_at: string | null }[];
}

/** Whom a pending task waits for: `waits` where only agents that are away have its model. */
export interface TaskWaits {
  readonly waits: WaitsFor | null;
  /** Null where agents do not say that they are there. */
  readonly waited: WhoIsWaited | null;
}

/** How many pending tasks are looked into, the oldest: each is read from its blob. */
export const MAX_LOOKED_INTO = 200;

/** Whom each of these pending tasks waits for, by id. */
export async function readWaits(
  repo: Repository,
  pending: readonly HistoryCommit[],
  context: { readonly who: WhoWorks; readonly nowMs: number; readonly takesClaims: boolean },
): Promise<ReadonlyMap<string, TaskWaits>> {
  const { who, nowMs, takesClaims } = context;
  const all = new Map<string, TaskWaits>();
  const reader = openObjectReader(repo);
  try {
    for (const commit of pending.slice(0, MAX_LOOKED_INTO)) {
      const task = await readAskedTask(reader, commit);
      const asked = { task, askedAtMs: commit.committedAtMs };
      all.set(commit.id, {
        waits: task === null ? null : waitsFor(task, context),
        waited: takesClaims ? whoIsWaited(asked, who, nowMs) : null,
      });
    }
    return all;
  } finally {
    reader.close();
  }
}

function waitsFor(task: TaskJson, context: Parameters<typeof readWaits>[2]): WaitsFor | null {
  const asked = { wanted: wantedModelOf(task), sameModel };
  const attendance = attendanceOf(context.who, context, asked);
  if (attendance.state !== 'model-away') return null;
  const agents = attendance.holders.map(({ agent, seenMs }) => ({
    name: agent,
    seen_at: seenMs === null ? null : new Date(seenMs).toISOString(),
  }));
  return { model: attendance.model, agents };
}

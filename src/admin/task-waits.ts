import { sameModel } from '../agent/backends/same-model.js';
import { attendanceOf } from '../bridge/attendance.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { wantedModelOf } from '../bridge/wanted-model.js';
import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { readTask } from '../protocol/task.js';

/** The agents that a pending task waits for, because they have the model it names. Times are ISO 8601. */
export interface WaitsFor {
  readonly model: string;
  /** `seen_at` is null for one that never said that it was there. */
  readonly agents: readonly { readonly name: string; readonly seen_at: string | null }[];
}

/** So many pending tasks are looked into, the oldest: each is read from its blob. */
const MAX_LOOKED_INTO = 200;

/**
 * Which of these pending tasks wait for agents that are away, by id. Where no agent says what it has, no task
 * is looked into.
 */
export async function readWaits(
  repo: Repository,
  pending: readonly HistoryCommit[],
  context: { readonly who: WhoWorks; readonly nowMs: number; readonly takesClaims: boolean },
): Promise<ReadonlyMap<string, WaitsFor>> {
  const waits = new Map<string, WaitsFor>();
  if (context.who.models.size === 0) return waits;
  const reader = openObjectReader(repo);
  try {
    for (const commit of pending.slice(0, MAX_LOOKED_INTO)) {
      const message = messageOf(commit);
      if (message.kind !== 'task' || message.file !== 'task.json') continue;
      const blob = await reader.read(message.change.newId, DEFAULT_MAX_TASK_BYTES);
      const read = blob === null ? null : readTask('task.json', blob.content);
      if (!read?.ok) continue;
      const asked = { wanted: wantedModelOf(read.value), sameModel };
      const attendance = attendanceOf(context.who, context, asked);
      if (attendance.state !== 'model-away') continue;
      const agents = attendance.holders.map(({ agent, seenMs }) => ({
        name: agent,
        seen_at: seenMs === null ? null : new Date(seenMs).toISOString(),
      }));
      waits.set(commit.id, { model: attendance.model, agents });
    }
    return waits;
  } finally {
    reader.close();
  }
}

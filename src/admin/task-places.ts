import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { inOrderOfAnswering } from '../protocol/queue.js';
import { priorityOf, readTask, sourceOf } from '../protocol/task.js';

/** Of more open tasks than this no places are told: each is read from its blob. */
const MAX_PLACED = 1000;

/** Which of the open tasks of a bridge have to be placed. */
export interface OpenTasks {
  /** All that have no answer, in the order of asking. */
  readonly open: readonly HistoryCommit[];
  /** Those of them that nobody has begun. */
  readonly pending: ReadonlySet<string>;
  readonly nowMs: number;
}

/**
 * The place in line of each pending task, 1 for the one that is answered next, in the order that agents keep.
 * Empty where there are too many to look into.
 */
export async function readPlaces(
  repo: Repository,
  { open, pending, nowMs }: OpenTasks,
): Promise<ReadonlyMap<string, number>> {
  if (pending.size === 0 || open.length > MAX_PLACED) return new Map();
  const reader = openObjectReader(repo);
  try {
    const waiting = await Promise.all(
      open.map(async (commit) => {
        const message = messageOf(commit);
        const isJson = message.kind === 'task' && message.file === 'task.json';
        const blob = isJson ? await reader.read(message.change.newId, DEFAULT_MAX_TASK_BYTES) : null;
        const read = blob === null ? null : readTask('task.json', blob.content);
        const task = read?.ok ? read.value : null;
        const source = sourceOf(commit.author, task);
        return {
          ...{ id: commit.id, source, askedAtMs: commit.committedAtMs },
          priority: task === null ? 0 : priorityOf(task),
        };
      }),
    );
    const order = inOrderOfAnswering(waiting, (one) => one, nowMs).filter(({ id }) => pending.has(id));
    return new Map(order.map(({ id }, at) => [id, at + 1]));
  } finally {
    reader.close();
  }
}

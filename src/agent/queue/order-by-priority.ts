import type { ObjectReader } from '../../git/object-reader.js';
import { DEFAULT_MAX_TASK_BYTES } from '../../protocol/limits.js';
import type { AskedTask } from '../../protocol/queue.js';
import { priorityOf } from '../../protocol/task.js';
import { readAskedTask } from './read-task.js';

/** Puts pending tasks into the order in which they are to be answered. */
export interface PriorityOrder {
  /** The higher `priority` first, and the older first among equals. A task is read once, the first time it is seen. */
  order(pending: readonly AskedTask[], maxTaskBytes?: number): Promise<readonly AskedTask[]>;
}

/** Makes one that reads the tasks by `reader`. */
export function createPriorityOrder(reader: ObjectReader): PriorityOrder {
  const known = new Map<string, number>();
  return {
    async order(pending, maxTaskBytes = DEFAULT_MAX_TASK_BYTES) {
      const ids = new Set(pending.map(({ id }) => id));
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      for (const asked of pending) {
        if (known.has(asked.id)) continue;
        const isPlain = asked.file === 'task.txt';
        const content = isPlain ? null : await readAskedTask(reader, asked, maxTaskBytes);
        // What is no task is answered with an error, in its turn.
        known.set(asked.id, content?.task == null ? 0 : priorityOf(content.task));
      }
      // Sorting keeps the order of asking among equals.
      return [...pending].sort((a, b) => (known.get(b.id) ?? 0) - (known.get(a.id) ?? 0));
    },
  };
}

import { REMOTE_MAIN_REF } from '../../git/fetch.js';
import type { ObjectReader } from '../../git/object-reader.js';
import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { DEFAULT_MAX_TASK_BYTES } from '../../protocol/limits.js';
import { type AskedTask, createQueueReader, type QueueState } from '../../protocol/queue.js';
import { priorityOf } from '../../protocol/task.js';
import { readAskedTask } from './read-task.js';

/** The queue as the clone shows it, kept up to date commit by commit. */
export interface QueueView {
  /** Reads what came to REMOTE_MAIN_REF since the last time, `tip`, and answers the queue. */
  update(tip: string, clock: { readonly nowMs: number; readonly ttlMs: number }): Promise<QueueState>;
}

/** So much older than the time-to-live is what is forgotten, as in a fresh clone (`updateClone`): a day. */
const MARGIN_MS = 86_400_000;

/** Opens a view on a clone. */
export function openQueueView(clone: Repository): QueueView {
  const reader = createQueueReader();
  let seen: string | null = null;
  /** The newest date in history, which the server judged by its own clock. */
  let newestMs = Number.NEGATIVE_INFINITY;
  return {
    async update(tip, clock) {
      if (tip !== seen) {
        const not: string[] = seen === null ? [] : [seen];
        const commits = await readHistory(clone, { from: [REMOTE_MAIN_REF], not });
        reader.push(commits);
        for (const { committedAtMs } of commits) newestMs = Math.max(newestMs, committedAtMs);
        seen = commits.at(-1)?.id ?? tip;
      }
      // What is forgotten never comes back. Where no server tells its time, a clock of ours that was set ahead must not decide it.
      reader.forget(Math.min(clock.nowMs, newestMs) - clock.ttlMs - MARGIN_MS);
      return reader.queue(clock);
    },
  };
}

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

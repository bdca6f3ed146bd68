import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { REMOTE_MAIN_REF } from '../../git/transport.js';
import { createQueueReader, type QueueState } from '../../protocol/queue.js';

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

import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { REMOTE_MAIN_REF } from '../git/transport.js';
import type { HistoryCommit } from '../protocol/history.js';
import { type QueueState, readQueue } from '../protocol/pending.js';

/** The queue as the clone shows it, kept up to date commit by commit. */
export interface QueueView {
  /** Reads what came to REMOTE_MAIN_REF since the last time, `tip`, and answers the queue. */
  update(tip: string, clock: { readonly nowMs: number; readonly ttlMs: number }): Promise<QueueState>;
}

/** Opens a view on a clone. */
export function openQueueView(clone: Repository): QueueView {
  const commits: HistoryCommit[] = [];
  let seen: string | null = null;
  return {
    async update(tip, clock) {
      if (tip !== seen) {
        const not: string[] = seen === null ? [] : [seen];
        commits.push(...(await readHistory(clone, { from: [REMOTE_MAIN_REF], not })));
        seen = commits.at(-1)?.id ?? tip;
      }
      return readQueue(commits, clock);
    },
  };
}

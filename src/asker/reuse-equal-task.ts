import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import { MAX_CLOCK_AHEAD_MS, MAX_CLOCK_BEHIND_MS } from '../protocol/limits.js';
import type { TaskFile } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';

/**
 * `reuse`: the task waits for its answer or has a good one, so it is ours too. `spent`: it was answered with an error, cancelled or expired;
 * committing the same bytes again would change nothing and so ask nothing.
 */
export type EqualTask = { readonly status: 'spent' } | { readonly status: 'reuse'; readonly task: string };

/** How much further back than the time-to-live history is read: dates along `main` may run backwards by so much. */
const MARGIN_MS = MAX_CLOCK_AHEAD_MS + MAX_CLOCK_BEHIND_MS;

/**
 * What became of the task whose file `ref` has, where it has the very bytes that are to be asked: what `--dedup` asked twice in a row comes
 * to. To be asked of the very commit that is built on, each time anew: another asker may have put the same bytes there meanwhile.
 */
export async function findEqualTask(
  repo: Repository,
  ref: string,
  file: TaskFile,
  clock: { readonly nowMs: number; readonly ttlMs: number },
): Promise<EqualTask> {
  const commits = await readHistory(repo, { from: [ref], sinceMs: clock.nowMs - clock.ttlMs - MARGIN_MS });
  const messages = commits.map(messageOf);
  const asked = messages.findLast((one) => one.kind === 'task' && one.file === file);
  if (asked === undefined || isExpired(asked.commit.committedAtMs, clock)) return { status: 'spent' };
  const task = asked.commit.id;
  const answer = messages.find((one) => one.kind === 'answer' && one.commit.taskTrailer === task);
  const isCancelled = messages.some((one) => one.kind === 'cancel' && one.commit.taskTrailer === task);
  const isSpent = answer === undefined ? isCancelled : answer.commit.statusTrailer.startsWith('error');
  return isSpent ? { status: 'spent' } : { status: 'reuse', task };
}

/** The same task in other bytes: one more line break at the end, which no reader of either file minds. */
export function varied(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.from('\n')]);
}

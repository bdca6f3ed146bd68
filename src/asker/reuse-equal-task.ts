import { readHistory } from '../git/read-history.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import { MAX_CLOCK_AHEAD_MS, MAX_CLOCK_BEHIND_MS } from '../protocol/limits.js';
import type { TaskFile } from '../protocol/names.js';
import { isExpired } from '../protocol/pending.js';

/**
 * `free`: the file on main differs, so committing it asks. `reuse`: the newest commit of the file has these very bytes and waits for
 * its answer or has a good one, so that task is ours too. `spent`: it has these bytes, but was answered with an error, cancelled or
 * expired; committing them again would change nothing and so ask nothing.
 */
export type EqualTask =
  | { readonly status: 'free' | 'spent' }
  | { readonly status: 'reuse'; readonly task: string };

/** How much further back than the time-to-live history is read: dates along `main` may run backwards by so much. */
const MARGIN_MS = MAX_CLOCK_AHEAD_MS + MAX_CLOCK_BEHIND_MS;

/**
 * Looks whether a task file with this blob is on top of `ref` already: what `--dedup` asked twice in a row comes to. To be asked
 * of the very commit that is built on, each time anew: another asker may have put the same bytes there meanwhile.
 */
export async function findEqualTask(
  repo: Repository,
  ref: string,
  blob: { readonly file: TaskFile; readonly id: string },
  clock: { readonly nowMs: number; readonly ttlMs: number },
): Promise<EqualTask> {
  if ((await resolveRef(repo, `${ref}:${blob.file}`)) !== blob.id) return { status: 'free' };
  const commits = await readHistory(repo, { from: [ref], sinceMs: clock.nowMs - clock.ttlMs - MARGIN_MS });
  const messages = commits.map(messageOf);
  const asked = messages.findLast((one) => one.kind === 'task' && one.file === blob.file);
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

import type { ObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { gitText, type Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import { MAX_COMMIT_BYTES } from '../protocol/limits.js';
import { isExpired } from '../protocol/queue.js';

/** Whether a task can still be answered. `unknown`: no task on main by this id. */
export type TaskStatus = 'open' | 'answered' | 'expired' | 'unknown';

/**
 * Reads the status of tasks in the history that ends in `tip`. A task that has expired is not searched for: a
 * pusher who names the oldest commit must not make the server walk to it.
 */
export async function readTaskStatuses(
  context: {
    readonly repo: Repository;
    readonly reader: ObjectReader;
    readonly tip: string;
    readonly nowMs: number;
    readonly ttlMs: number;
  },
  tasks: readonly string[],
): Promise<Map<string, TaskStatus>> {
  const statuses = new Map<string, TaskStatus>();
  const inTime: string[] = [];
  for (const task of new Set(tasks)) {
    statuses.set(task, 'unknown');
    const object = await context.reader.read(task, MAX_COMMIT_BYTES);
    if (object?.info.type !== 'commit') continue;
    if (isExpired(committedAtMs(object.content), context)) statuses.set(task, 'expired');
    else inTime.push(task);
  }
  if (inTime.length === 0) return statuses;
  for (const commit of await readHistory(context.repo, {
    from: [context.tip],
    not: [`${await oldestOf(context.repo, inTime)}^@`],
  })) {
    const message = messageOf(commit);
    if (message.kind === 'task' && statuses.has(commit.id)) statuses.set(commit.id, 'open');
    if (message.kind === 'answer' && statuses.has(commit.taskTrailer))
      statuses.set(commit.taskTrailer, 'answered');
  }
  return statuses;
}

/** The date of a commit, given as its raw bytes; 0 (1970) where it has none. */
export function committedAtMs(raw: Buffer): number {
  const seconds = /\ncommitter [^\n]*> ([0-9]+) [+-][0-9]{4}\n/.exec(raw.toString('latin1'))?.[1];
  return Number(seconds ?? 0) * 1000;
}

/** On one line of history the common ancestor of commits is the oldest of them. */
export async function oldestOf(repo: Repository, tasks: readonly string[]): Promise<string> {
  const [first = ''] = tasks;
  if (tasks.length === 1) return first;
  return gitText(repo, ['merge-base', '--octopus', ...tasks]).then(
    (text) => text.trim() || first,
    () => first,
  );
}

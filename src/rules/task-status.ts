import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import { MAX_COMMIT_BYTES } from '../protocol/limits.js';
import { isExpired } from '../protocol/queue.js';
import { readSinceTasks } from './keep-open-tasks.js';

/** Whether a task can still be answered. `unknown`: no task on main by this id. */
export type TaskStatus = 'open' | 'answered' | 'expired' | 'unknown';

/**
 * Reads the status of tasks in the history that ends in `tip`. A task that has expired is not searched for:
 * a pusher who names the oldest commit must not make the server walk to it.
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
  const inTime: { readonly id: string; readonly committedAtMs: number }[] = [];
  for (const task of new Set(tasks)) {
    statuses.set(task, 'unknown');
    const object = await context.reader.read(task, MAX_COMMIT_BYTES);
    if (object?.info.type !== 'commit') continue;
    const atMs = committedAtMs(object.content);
    if (isExpired(atMs, context)) statuses.set(task, 'expired');
    else inTime.push({ id: task, committedAtMs: atMs });
  }
  if (inTime.length === 0) return statuses;
  const { repo, tip } = context;
  for (const commit of await readSinceTasks(repo, tip, inTime)) {
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

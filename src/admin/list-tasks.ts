import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { isExpired } from '../protocol/queue.js';
import type { TaskState } from './task-state.js';

/** A task and its state; the JSON form is a contract. Times are ISO 8601. */
export interface TaskRow {
  readonly task: string;
  readonly state: TaskState;
  readonly asker: string;
  readonly asked_at: string;
  /** The beginning of the question, where its commit says it. */
  readonly question: string;
  /** The agent that answered, or that works on it; null otherwise. */
  readonly agent: string | null;
  readonly answered_at: string | null;
  /** The beginning of the answer and the model, or the error code, where the commit says it. */
  readonly answer: string | null;
}

/** What `list` needs besides history. */
export interface TaskListContext {
  readonly ref: string;
  readonly nowMs: number;
  readonly ttlMs: number;
  /** The agent that has a task now, by the task's id. */
  readonly running: ReadonlyMap<string, string>;
}

/** Lists the tasks that can be pending, in the order of asking. Reads no question and no answer. */
export async function listTasks(repo: Repository, context: TaskListContext): Promise<TaskRow[]> {
  const { nowMs, ttlMs } = context;
  // One day more than the time-to-live, so that a task that has just expired is still seen as expired.
  const commits = await readHistory(repo, { from: [context.ref], sinceMs: nowMs - ttlMs - 86_400_000 });
  const answers = new Map<string, HistoryCommit>();
  const cancels = new Set<string>();
  for (const commit of commits) {
    const { kind } = messageOf(commit);
    if (kind === 'answer') answers.set(commit.taskTrailer, commit);
    if (kind === 'cancel') cancels.add(commit.taskTrailer);
  }
  const tasks = commits.filter((commit) => messageOf(commit).kind === 'task');
  return tasks.map((commit) => rowOf(commit, answers.get(commit.id), cancels.has(commit.id), context));
}

/** All open rows, and the newest `count` of the others; the order stays. */
export function newestRows(rows: readonly TaskRow[], count: number): TaskRow[] {
  let left = rows.filter((row) => !isOpen(row)).length - count;
  return rows.filter((row) => isOpen(row) || left-- <= 0);
}

function isOpen({ state }: TaskRow): boolean {
  return state === 'pending' || state === 'running';
}

function rowOf(
  commit: HistoryCommit,
  answer: HistoryCommit | undefined,
  isCancelled: boolean,
  context: TaskListContext,
): TaskRow {
  const common = {
    task: commit.id,
    asker: commit.author,
    asked_at: new Date(commit.committedAtMs).toISOString(),
    question: withoutHead(commit.subject, 'ask'),
  };
  if (answer !== undefined) {
    return {
      ...common,
      state: stateOf(answer.statusTrailer),
      agent: answer.author,
      answered_at: new Date(answer.committedAtMs).toISOString(),
      answer: withoutHead(answer.subject, 'answer'),
    };
  }
  const open = { ...common, answered_at: null, answer: null };
  if (isExpired(commit.committedAtMs, context)) return { ...open, state: 'expired', agent: null };
  if (isCancelled) return { ...open, state: 'cancelled', agent: null };
  const agent = context.running.get(commit.id) ?? null;
  return { ...open, state: agent === null ? 'pending' : 'running', agent };
}

function stateOf(status: string): TaskState {
  if (status === 'error cancelled') return 'cancelled';
  return status.startsWith('error') ? 'error' : 'done';
}

const HEADS = { ask: /^ask [0-9a-f]{8}: /, answer: /^answer [0-9a-f]{8}: / };

/** A subject without our prefix `ask 3f2a1b9c: `. */
function withoutHead(subject: string, word: keyof typeof HEADS): string {
  return subject.replace(HEADS[word], '');
}

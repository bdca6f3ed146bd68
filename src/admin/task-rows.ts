import type { WhoWorks } from '../bridge/side-refs.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { isExpired } from '../protocol/queue.js';
import type { TaskState } from './task-state.js';
import type { WaitsFor } from './task-waits.js';
import type { WhoIsWaited } from './who-waits.js';

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
  /** Of a running task: what its agent said of it last; null otherwise. */
  readonly work: RunningWork | null;
  /** Of a pending task whose model only absent agents have: those agents. Null otherwise. */
  readonly waits_for: WaitsFor | null;
  /**
   * Of a pending task: whom it waits for. Null otherwise, and where agents do not say that they are there.
   */
  readonly waiting: WhoIsWaited | null;
  /** Of a pending task: its place in line, 1 for the next. Null otherwise, and where too many are open. */
  readonly place: number | null;
}

/** What an agent does for a task. Times are ISO 8601. */
export interface RunningWork {
  /** Null before one was chosen. */
  readonly model: string | null;
  readonly since: string | null;
  /** `waiting` for the model server, `loading` (until the first token), `generating`; others may come. */
  readonly phase: string | null;
}

/** What the state of a task is judged by, besides history. */
export interface RowContext {
  readonly nowMs: number;
  readonly ttlMs: number;
  /** Who has a task now, by the task's id. */
  readonly running: WhoWorks['running'];
}

/**
 * The tasks of a part of history, in the order of asking. The one place that says what state a task is in:
 * `list` and `status` cannot disagree.
 */
export function taskRows(commits: readonly HistoryCommit[], context: RowContext): TaskRow[] {
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

/** Whether a task has no answer yet and may get one. */
export function isOpen({ state }: TaskRow): boolean {
  return state === 'pending' || state === 'running';
}

function rowOf(
  commit: HistoryCommit,
  answer: HistoryCommit | undefined,
  isCancelled: boolean,
  context: RowContext,
): TaskRow {
  const common = {
    task: commit.id,
    asker: commit.author,
    asked_at: new Date(commit.committedAtMs).toISOString(),
    question: withoutHead(commit.subject, 'ask'),
    work: null,
    waits_for: null,
    waiting: null,
    place: null,
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
  const work = context.running.get(commit.id);
  if (work === undefined) return { ...open, state: 'pending', agent: null };
  const since = work.sinceMs === null ? null : new Date(work.sinceMs).toISOString();
  const { agent, model, phase } = work;
  return { ...open, state: 'running', agent, work: { model, since, phase } };
}

function stateOf(status: string): TaskState {
  if (status === 'error cancelled') return 'cancelled';
  return status.startsWith('error') ? 'error' : 'done';
}

/** The beginnings of our subjects. Protocol 1 wrote a hash into that of a task, too. */
const HEADS = { ask: /^ask(?: [0-9a-f]{8})?: /, answer: /^answer [0-9a-f]{8}: / };

/** A subject without our prefix `answer 3f2a1b9c: `. */
function withoutHead(subject: string, word: keyof typeof HEADS): string {
  return subject.replace(HEADS[word], '');
}

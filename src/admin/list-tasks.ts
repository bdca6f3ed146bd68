import { sameModel } from '../agent/backends/same-model.js';
import type { BridgeAccess } from '../bridge/connection.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { type Place, readPlaces } from '../bridge/task-places.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { openToRead } from '../log/catch-up-log.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { isExpired } from '../protocol/queue.js';
import type { TaskState } from './task-state.js';
import { readWaits, type WaitsFor } from './task-waits.js';
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
  /** Of a running task: what its agent said of it last. Null otherwise, and where it says nothing. */
  readonly work: RunningWork | null;
  /** Of a pending task whose model only agents have that are away: these. Null otherwise. */
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

/** What `list` needs besides history. */
export interface TaskListContext {
  readonly ref: string;
  readonly nowMs: number;
  readonly ttlMs: number;
  /** Who has a task now, by the task's id. */
  readonly running: WhoWorks['running'];
}

/**
 * Lists the tasks of a bridge that can be pending, in the order of asking, as of `nowMs` by its clock. Reads
 * no question and no answer.
 */
export async function listTasks(
  access: BridgeAccess,
): Promise<{ readonly rows: readonly TaskRow[]; readonly nowMs: number }> {
  const view = await openToRead(access, 'window');
  try {
    const who = await view.whoWorks();
    const { taskTtlMs: ttlMs, claimLeaseMs, serverNow } = view.terms;
    const context = { ref: view.ref, nowMs: serverNow(), ttlMs, running: who.running };
    const commits = await readTaskHistory(view.repo, context);
    const takesClaims = claimLeaseMs !== null;
    const rows = await withWaits(view.repo, commits, taskRows(commits, context), {
      ...{ who, nowMs: context.nowMs, takesClaims },
    });
    const places = await placesOf(view.repo, rows, { commits, who, nowMs: context.nowMs });
    return {
      rows: rows.map((row) => ({ ...row, place: places.get(row.task)?.place ?? null })),
      nowMs: context.nowMs,
    };
  } finally {
    await view.close();
  }
}

/** Where the open ones of these rows stand, and about how long each takes. */
export function placesOf(
  repo: Repository,
  rows: readonly TaskRow[],
  known: { readonly commits: readonly HistoryCommit[]; readonly who: WhoWorks; readonly nowMs: number },
): Promise<ReadonlyMap<string, Place>> {
  const idsOf = (filter: (row: TaskRow) => boolean) => new Set(rows.filter(filter).map(({ task }) => task));
  const open = idsOf(isOpen);
  return readPlaces(repo, {
    ...{ ...known, sameModel },
    open: known.commits.filter(({ id }) => open.has(id)),
    pending: idsOf(({ state }) => state === 'pending'),
  });
}

/** The same rows, of which the pending ones say for whom they wait. */
export async function withWaits(
  repo: Repository,
  commits: readonly HistoryCommit[],
  rows: readonly TaskRow[],
  context: Parameters<typeof readWaits>[2],
): Promise<TaskRow[]> {
  const pending = new Set(rows.filter(({ state }) => state === 'pending').map(({ task }) => task));
  const waits = await readWaits(
    repo,
    commits.filter(({ id }) => pending.has(id)),
    context,
  );
  return rows.map((row) => {
    const { waits: waits_for = null, waited: waiting = null } = waits.get(row.task) ?? {};
    return { ...row, waits_for, waiting };
  });
}

/** The part of history in which tasks can be pending, from old to new. */
export function readTaskHistory(
  repo: Repository,
  { ref, nowMs, ttlMs }: Pick<TaskListContext, 'ref' | 'nowMs' | 'ttlMs'>,
): Promise<HistoryCommit[]> {
  return readHistory(repo, { from: [ref], sinceMs: nowMs - ttlMs - HISTORY_MARGIN_MS });
}

/**
 * The tasks of a part of history, in the order of asking. The one place that says what state a task is in:
 * `list` and `status` cannot disagree.
 */
export function taskRows(
  commits: readonly HistoryCommit[],
  context: Omit<TaskListContext, 'ref'>,
): TaskRow[] {
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
  context: Omit<TaskListContext, 'ref'>,
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

/** The heads of subjects; protocol 1 wrote a hash into that of a task too. */
const HEADS = { ask: /^ask(?: [0-9a-f]{8})?: /, answer: /^answer [0-9a-f]{8}: / };

/** A subject without our prefix `answer 3f2a1b9c: `. */
function withoutHead(subject: string, word: keyof typeof HEADS): string {
  return subject.replace(HEADS[word], '');
}

import { type FileChange, type HistoryCommit, messageOf } from './history.js';
import type { TaskFile } from './names.js';

/** A task as history shows it. Its text is still in its blob. */
export interface AskedTask {
  /** The commit id, which is also the id of the task. */
  readonly id: string;
  readonly file: TaskFile;
  readonly change: FileChange;
  readonly asker: string;
  readonly askedAtMs: number;
  readonly subject: string;
}

/** The open tasks in a stretch of history. */
export interface QueueState {
  /** Tasks within the time-to-live and without an answer, in the order of asking. */
  readonly pending: readonly AskedTask[];
  /** Tasks past their time-to-live and without an answer, in the order of asking. */
  readonly expired: readonly AskedTask[];
  /**
   * Task (`equalTaskKey`) → the blob of the newest `inbox.json` that answers it without an error. An equal
   * task is answered from it, unless the blob says that the answer was cut off (`isReusable`): no trailer
   * says so.
   */
  readonly goodAnswers: ReadonlyMap<string, string>;
  readonly answeredCount: number;
  /** Those pending tasks that are cancelled, by id. They are answered with the error `cancelled`. */
  readonly cancelled: ReadonlyMap<string, CancelledTask>;
}

/** A cancel as history shows it. */
export interface CancelledTask {
  /** Who cancelled. */
  readonly by: string;
  /** The blob of the `cancel.json`. */
  readonly blob: string;
}

/**
 * Reads a queue from history in pieces. Its memory does not grow with history, as long as `forget` is
 * called.
 */
export interface QueueReader {
  /** Takes the commits that follow the ones it has, from old to new along first parents. */
  push(commits: Iterable<HistoryCommit>): void;
  /**
   * Forgets what was committed before this time, in milliseconds since the epoch. An answer to a
   * forgotten task still counts as an answer.
   */
  forget(beforeMs: number): void;
  queue(clock: { readonly nowMs: number; readonly ttlMs: number }): QueueState;
}

/**
 * What equal tasks share: the name of the file and the hash of its bytes. The same bytes in the other file
 * are another task: in a `task.txt` all of them are the prompt.
 */
export function equalTaskKey(file: TaskFile, hash: string): string {
  return `${file} ${hash}`;
}

/** Starts an empty queue. What came before the first commits is unknown and counts as settled. */
export function createQueueReader(): QueueReader {
  const open = new Map<string, AskedTask>();
  const cancelled = new Map<string, CancelledTask>();
  const goodAnswers = new Map<string, string>();
  /** When each of the reusable answers was committed, in the same order. */
  const goodAtMs = new Map<string, number>();
  let answeredCount = 0;
  return {
    push(commits) {
      for (const commit of commits) {
        const message = messageOf(commit);
        if (message.kind === 'task') {
          open.set(commit.id, {
            id: commit.id,
            file: message.file,
            change: message.change,
            asker: commit.author,
            askedAtMs: commit.committedAtMs,
            subject: commit.subject,
          });
        } else if (message.kind === 'answer') {
          answeredCount += 1;
          const task = open.get(commit.taskTrailer);
          open.delete(commit.taskTrailer);
          cancelled.delete(commit.taskTrailer);
          // Of a task that is not known here nobody can tell which file it was, so it is equal to none.
          if (task !== undefined && (commit.statusTrailer === 'ok' || commit.statusTrailer === 'cached')) {
            const key = equalTaskKey(task.file, commit.taskHashTrailer);
            goodAnswers.set(key, message.change.newId);
            // Removed first, so that the newest comes last.
            goodAtMs.delete(key);
            goodAtMs.set(key, commit.committedAtMs);
          }
        } else if (message.kind === 'cancel' && open.has(commit.taskTrailer)) {
          // The first cancel stays: a second one adds nothing.
          if (!cancelled.has(commit.taskTrailer))
            cancelled.set(commit.taskTrailer, { by: commit.author, blob: message.change.newId });
        }
      }
    },
    forget(beforeMs) {
      for (const [id, task] of open) {
        if (task.askedAtMs >= beforeMs) break;
        open.delete(id);
        cancelled.delete(id);
      }
      for (const [key, atMs] of goodAtMs) {
        if (atMs >= beforeMs) break;
        goodAtMs.delete(key);
        goodAnswers.delete(key);
      }
    },
    queue(clock) {
      const pending: AskedTask[] = [];
      const expired: AskedTask[] = [];
      for (const task of open.values()) (isExpired(task.askedAtMs, clock) ? expired : pending).push(task);
      const ended = cancelled.size === 0 ? [] : pending.filter(({ id }) => cancelled.has(id));
      return {
        pending,
        expired,
        goodAnswers,
        answeredCount,
        cancelled: new Map(
          ended.flatMap(({ id }) => {
            const cancel = cancelled.get(id);
            return cancel === undefined ? [] : [[id, cancel] as const];
          }),
        ),
      };
    },
  };
}

/**
 * Reads the queue from history. `commits` run from old to new along first parents. What came before them
 * is unknown and counts as settled.
 */
export function readQueue(
  commits: Iterable<HistoryCommit>,
  clock: { readonly nowMs: number; readonly ttlMs: number },
): QueueState {
  const reader = createQueueReader();
  reader.push(commits);
  return reader.queue(clock);
}

/**
 * A wait of this length counts as one task fewer of the same source: slow enough that a flood of a thousand
 * questions does not overtake everybody once it is old, and nobody waits for ever. Milliseconds.
 */
const AGEING_MS = 60 * 60 * 1000;

/**
 * What a pending task's turn depends on. What is no task has the priority 0, and its asker as its source.
 */
export interface Waiting {
  readonly priority: number;
  /** Whom it counts for (`sourceOf`). */
  readonly source: string;
  readonly askedAtMs: number;
}

/**
 * The order in which pending tasks are answered. The higher priority goes first. Within one, sources take
 * turns: a task goes after those that have fewer pending tasks of their own source before them, so that who
 * asks little does not wait for who asks much; each AGEING_MS of waiting counts as one fewer. Among equals
 * the older goes first. `tasks` are in the order of asking, those included that are being answered.
 */
export function inOrderOfAnswering<T>(
  tasks: readonly T[],
  waitingOf: (task: T) => Waiting,
  nowMs: number,
): T[] {
  const before = new Map<string, number>();
  const placed = tasks.map((task) => {
    const { priority, source, askedAtMs } = waitingOf(task);
    const key = `${priority} ${source}`;
    const asked = before.get(key) ?? 0;
    before.set(key, asked + 1);
    // A date may be ahead of the clock.
    const aged = Math.floor(Math.max(0, nowMs - askedAtMs) / AGEING_MS);
    return { task, priority, turn: asked - aged };
  });
  // Sorting keeps the order among equals.
  placed.sort((a, b) => b.priority - a.priority || a.turn - b.turn);
  return placed.map(({ task }) => task);
}

/**
 * Whether a task asked at `askedAtMs` is past its time-to-live. Agent, hook and status all use this rule.
 */
export function isExpired(
  askedAtMs: number,
  clock: { readonly nowMs: number; readonly ttlMs: number },
): boolean {
  return clock.nowMs - askedAtMs > clock.ttlMs;
}

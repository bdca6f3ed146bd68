import { CANCEL_FILE, INBOX_FILE, isTaskFile, type TaskFile } from './names.js';

/** One entry of the difference between a commit and its first parent, as `git log --raw` prints it. */
export interface FileChange {
  readonly path: string;
  /** Octal, as git prints it: `100644`, `120000`, `000000` for absent. */
  readonly oldMode: string;
  readonly newMode: string;
  readonly oldId: string;
  readonly newId: string;
}

/** Where an answer comes from, and how long it took. */
export interface AnswerSource {
  readonly model: string;
  readonly backend: string;
  readonly latencyMs: number;
}

/** The parts of a commit that llm-bridge reads. */
export interface HistoryCommit {
  readonly id: string;
  readonly parents: readonly string[];
  /** The committer's date, milliseconds since the epoch. */
  readonly committedAtMs: number;
  readonly author: string;
  readonly subject: string;
  /** The trailer `Task` of an answer or a cancel: the commit id of the task. Empty where there is none. */
  readonly taskTrailer: string;
  readonly taskHashTrailer: string;
  readonly statusTrailer: string;
  /** Of an answer: which model it is of, as its trailers say it. Absent where they do not. */
  readonly source?: AnswerSource;
  readonly changes: readonly FileChange[];
}

/** A commit as a message of the bridge. */
export type HistoryMessage =
  | {
      readonly kind: 'task';
      readonly commit: HistoryCommit;
      readonly file: TaskFile;
      readonly change: FileChange;
    }
  | { readonly kind: 'answer'; readonly commit: HistoryCommit; readonly change: FileChange }
  | { readonly kind: 'cancel'; readonly commit: HistoryCommit; readonly change: FileChange }
  | { readonly kind: 'other'; readonly commit: HistoryCommit };

/**
 * Which message a commit is. A commit without a parent is not a message: it is the root that `init` made, or
 * the edge of a shallow clone, whose difference cannot be known.
 */
export function messageOf(commit: HistoryCommit): HistoryMessage {
  const [change, ...more] = commit.changes;
  if (change === undefined || more.length > 0 || commit.parents.length !== 1)
    return { kind: 'other', commit };
  // A removed file is no message. A symlink or a submodule under the name is still a task,
  // and gets an error as its answer.
  if (change.newMode === '000000') return { kind: 'other', commit };
  if (isTaskFile(change.path)) return { kind: 'task', commit, file: change.path, change };
  if (change.path === INBOX_FILE) return { kind: 'answer', commit, change };
  if (change.path === CANCEL_FILE) return { kind: 'cancel', commit, change };
  return { kind: 'other', commit };
}

import { beginBlob, type FileCommit } from '../git/commit-file.js';
import type { ObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { isReusable, readKeptAnswer } from '../protocol/answer.js';
import { askMessage } from '../protocol/commit-message.js';
import { type HistoryCommit, type HistoryMessage, messageOf } from '../protocol/history.js';
import { MAX_CLOCK_AHEAD_MS, MAX_CLOCK_BEHIND_MS } from '../protocol/limits.js';
import type { TaskFile } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';
import { taskHash } from '../protocol/task.js';
import type { TaskDraft } from './task-draft.js';

/** The repository in which a message is made. */
export interface SubmissionContext {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  /** Makes sure that a file of a commit on main is there: a clone may leave out large ones. */
  readonly requireFile: (commit: HistoryCommit) => Promise<void>;
}

/** A message of an asker that is to be put on main. */
export interface Submission {
  readonly file: string;
  /**
   * Makes the message for the commit it will stand on, again for each new parent, and writes its blob, or
   * starts to. `done`: a commit there says the same already. Throws BridgeError where the message no longer
   * fits there.
   */
  compose(
    context: SubmissionContext,
    parent: string,
  ): Promise<Pick<FileCommit, 'blob' | 'written' | 'message'> | { readonly done: string }>;
  /** Whether `compose` needs history as far back as tasks can be pending, or only the tip `ref`. */
  needsHistory(repo: Repository, ref: string): Promise<boolean>;
}

/** A task. For the case that main holds these bytes already, see findEqualTask. */
export function taskSubmission(
  draft: TaskDraft,
  clock: () => { readonly nowMs: number; readonly ttlMs: number },
): Submission {
  const { file } = draft;
  let begun: ReturnType<typeof beginBlob> | null = null;
  const asIs = (repo: Repository) => {
    begun ??= beginBlob(repo, draft.bytes);
    // A failed write (of a full disk, for example) is started again by the next try.
    begun
      .then(({ written }) => written)
      .catch(() => {
        begun = null;
      });
    return begun;
  };
  return {
    file,
    async compose(context, parent) {
      const { repo, reader } = context;
      const [blob, before] = await Promise.all([asIs(repo), reader.info(`${parent}:${file}`)]);
      // A large file on main may have been left out. Where it equals the one to be asked, it is here once
      // that is written.
      if (before === null && repo.leavesOutBytes !== undefined) await blob.written.catch(() => {});
      const onMain = before ?? (await reader.info(`${parent}:${file}`));
      const equal =
        onMain?.id === blob.id
          ? await findEqualTask(context, parent, file, clock())
          : { status: 'free' as const };
      if (equal.status === 'reuse') return { done: equal.task };
      const bytes = equal.status === 'spent' ? varied(draft.bytes) : draft.bytes;
      const { id, written } = equal.status === 'spent' ? await beginBlob(repo, bytes) : blob;
      return { blob: id, written, message: askMessage({ hash: taskHash(bytes), question: draft.question }) };
    },
    // The tip alone does not show whether these bytes still wait for an answer; history does.
    needsHistory: async (repo, ref) => (await resolveRef(repo, `${ref}:${file}`)) === (await asIs(repo)).id,
  };
}

/**
 * `reuse`: the task waits for its answer or has a complete one, so the asker shares it. `spent`: it was
 * answered with an error, its answer was cut, it was cancelled, or it expired. Committing the same bytes
 * again would change nothing, and so ask nothing.
 */
export type EqualTask = { readonly status: 'spent' } | { readonly status: 'reuse'; readonly task: string };

/**
 * How much further than the time-to-live history is read: dates along `main` may run backwards by this much.
 */
const MARGIN_MS = MAX_CLOCK_AHEAD_MS + MAX_CLOCK_BEHIND_MS;

/**
 * Finds the state of the task whose file on `ref` has exactly the bytes to be asked, as when `--dedup` asks
 * the same twice in a row. Ask again for each new parent: another asker may have put the same bytes there
 * meanwhile.
 */
async function findEqualTask(
  { repo, reader, requireFile }: SubmissionContext,
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
  if (answer?.kind === 'answer') await requireFile(answer.commit);
  const isSpent = answer?.kind === 'answer' ? !(await isWhole(reader, answer)) : isCancelled;
  return isSpent ? { status: 'spent' } : { status: 'reuse', task };
}

/**
 * Whether an answer can be reused for an equal task. The trailers show an error; only the blob shows that it
 * was cut.
 */
async function isWhole(
  reader: ObjectReader,
  { commit, change }: Extract<HistoryMessage, { kind: 'answer' }>,
): Promise<boolean> {
  if (commit.statusTrailer.startsWith('error')) return false;
  const blob = await reader.read(change.newId);
  const answer = readKeptAnswer(blob?.content);
  return answer !== null && isReusable(answer);
}

/**
 * The same task in other bytes: one more line break at the end, which changes nothing for a reader of either
 * file.
 */
function varied(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.from('\n')]);
}

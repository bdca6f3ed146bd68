import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import { readHistory, walkHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { type LoggedAnswer, type RecordTask, toLog } from '../protocol/log-record.js';
import { TaskRecords } from './task-records.js';
import { answerOf } from './walk-answers.js';

/** An answer from history: a record without `seq` and `ingested_at`, which only the server's log knows. */
export type HistoryRecord = { readonly commit: string } & RecordTask & LoggedAnswer;

/**
 * The answers on `ref`, the oldest first: those after the commit `after`, or the newest `count`. Invalid
 * answers are left out, as in the log.
 */
export async function readAnswers(
  repo: Repository,
  ref: string,
  range: { readonly after?: string; readonly count?: number },
): Promise<HistoryRecord[]> {
  const commits = await readHistory(repo, {
    from: [ref],
    not: range.after === undefined ? [] : [range.after],
  });
  const answers = commits.filter((commit) => messageOf(commit).kind === 'answer');
  const reader = openObjectReader(repo);
  try {
    const tasks = new TaskRecords(repo, reader);
    for (const commit of commits) tasks.see(commit);
    const records: HistoryRecord[] = [];
    for (const commit of newest(answers, range.count)) {
      const record = await recordOf(reader, tasks, commit);
      if (record !== null) records.push(record);
    }
    return records;
  } finally {
    reader.close();
  }
}

/** Which answers to read: up to a commit, after another one, and made no earlier than a time. */
interface AnswerRange {
  readonly to: string;
  readonly after?: string;
  readonly sinceMs?: number;
}

/** The answers of a history that may be longer than memory, one at a time, the oldest first. */
export async function* answersForwards(repo: Repository, range: AnswerRange): AsyncGenerator<HistoryRecord> {
  const { to, after, sinceMs = Number.NEGATIVE_INFINITY } = range;
  const reader = openObjectReader(repo);
  try {
    const tasks = new TaskRecords(repo, reader);
    for await (const commit of walkHistory(repo, { from: [to], not: after === undefined ? [] : [after] })) {
      tasks.see(commit);
      if (commit.committedAtMs < sinceMs) continue;
      const record = await recordOf(reader, tasks, commit);
      if (record !== null) yield record;
    }
  } finally {
    reader.close();
  }
}

/**
 * The same, the newest first: what the reader does not take is not read. Of the rest ids alone are kept.
 */
export async function* answersBackwards(repo: Repository, range: AnswerRange): AsyncGenerator<HistoryRecord> {
  const { to, sinceMs = Number.NEGATIVE_INFINITY } = range;
  const reader = openObjectReader(repo);
  try {
    const tasks = new TaskRecords(repo, reader);
    for (let next: string | undefined = to; next !== undefined; ) {
      // In pieces, because git tells a history from its old end only once it has walked all of it.
      const commits: HistoryCommit[] = await readHistory(repo, { from: [next], maxCount: PIECE });
      for (const commit of commits) tasks.see(commit);
      for (const commit of commits.toReversed()) {
        if (commit.committedAtMs < sinceMs) continue;
        const record = await recordOf(reader, tasks, commit);
        if (record !== null) yield record;
      }
      const [oldest] = commits;
      const isOver = commits.length < PIECE || oldest === undefined || oldest.committedAtMs < sinceMs;
      next = isOver ? undefined : oldest.parents[0];
    }
  } finally {
    reader.close();
  }
}

/** Commits that are read at a time: a few megabytes. */
const PIECE = 2_000;

async function recordOf(
  reader: ObjectReader,
  tasks: TaskRecords,
  commit: HistoryCommit,
): Promise<HistoryRecord | null> {
  const found = await answerOf(reader, tasks, commit);
  return found !== null && 'answer' in found
    ? { commit: commit.id, ...found.task, ...toLog(found.answer) }
    : null;
}

/** The last `count` elements. `slice(-count)` alone is wrong for 0: `slice(-0)` is the whole array. */
function newest<T>(all: readonly T[], count = all.length): readonly T[] {
  return all.slice(Math.max(0, all.length - count));
}

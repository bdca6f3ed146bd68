import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import { readHistory, walkHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { type LoggedAnswer, type RecordTask, toLog } from '../protocol/log-record.js';
import type { LargeMessages } from './large-messages.js';
import { TaskRecords } from './task-records.js';
import { answerOf } from './walk-answers.js';

/** An answer from history: a record without `seq` and `ingested_at`, which only the server's log knows. */
export type HistoryRecord = { readonly commit: string } & RecordTask & LoggedAnswer;

/**
 * The answers on `ref`, the oldest first: those after the commit `after`, or the newest `count`. Invalid
 * answers are left out, as in the log. `large` brings what the repository has left out.
 */
export async function readAnswers(
  repo: Repository,
  ref: string,
  range: { readonly after?: string; readonly count?: number; readonly large?: LargeMessages },
): Promise<HistoryRecord[]> {
  const commits = await readHistory(repo, {
    from: [ref],
    not: range.after === undefined ? [] : [range.after],
  });
  const answers = commits.filter(isAnswer);
  const reader = openObjectReader(repo);
  try {
    const tasks = new TaskRecords(repo, reader, range.large);
    for (const commit of commits) tasks.see(commit);
    const records: HistoryRecord[] = [];
    const wanted = newest(answers, range.count);
    await range.large?.bring(reader, wanted);
    for (const commit of wanted) {
      const record = await recordOf(reader, tasks, commit);
      if (record !== null) records.push(record);
    }
    return records;
  } finally {
    reader.close();
  }
}

/** Which answers to read: up to a commit, and made no earlier than a time. */
interface AnswerRange {
  readonly to: string;
  readonly sinceMs?: number;
  /** Brings what the repository has left out. */
  readonly large?: LargeMessages;
}

/** The answers of a history that may not fit into memory, one at a time, the oldest first. */
export async function* answersForwards(repo: Repository, range: AnswerRange): AsyncGenerator<HistoryRecord> {
  const { to, sinceMs = Number.NEGATIVE_INFINITY, large } = range;
  const reader = openObjectReader(repo);
  try {
    const tasks = new TaskRecords(repo, reader, large);
    for await (const commit of walkHistory(repo, { from: [to] })) {
      tasks.see(commit);
      if (commit.committedAtMs < sinceMs || !isAnswer(commit)) continue;
      await large?.bring(reader, [commit]);
      const record = await recordOf(reader, tasks, commit);
      if (record !== null) yield record;
    }
  } finally {
    reader.close();
  }
}

/** The same, the newest first. Answers that the reader does not take are not read. */
export async function* answersBackwards(repo: Repository, range: AnswerRange): AsyncGenerator<HistoryRecord> {
  const { to, sinceMs = Number.NEGATIVE_INFINITY, large } = range;
  const reader = openObjectReader(repo);
  try {
    const tasks = new TaskRecords(repo, reader, large);
    const isWanted = (commit: HistoryCommit) => commit.committedAtMs >= sinceMs && isAnswer(commit);
    let walked = 0;
    for (let next: string | undefined = to; next !== undefined; ) {
      // In pieces, because git prints a history from its old end only after it has walked all of it.
      const commits: HistoryCommit[] = await readHistory(repo, { from: [next], maxCount: PIECE });
      for (const commit of commits) tasks.see(commit);
      for (let end = commits.length; end > 0; end -= GROUP) {
        const group = commits.slice(Math.max(0, end - GROUP), end).filter(isWanted);
        // As far back again as it has walked, so that all fetches together bring no more than twice what the
        // last one does.
        await large?.bring(reader, group, walked);
        for (const commit of group.toReversed()) {
          const record = await recordOf(reader, tasks, commit);
          if (record !== null) yield record;
        }
        walked += GROUP;
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

/**
 * How many of them are looked at before the large answers among them are fetched: the reader may take few.
 */
const GROUP = 16;

function isAnswer(commit: HistoryCommit): boolean {
  return messageOf(commit).kind === 'answer';
}

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

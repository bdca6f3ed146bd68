import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
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
      const found = await answerOf(reader, tasks, commit);
      if (found !== null && 'answer' in found)
        records.push({ commit: commit.id, ...found.task, ...toLog(found.answer) });
    }
    return records;
  } finally {
    reader.close();
  }
}

/** The last `count` elements. `slice(-count)` alone is wrong for 0: `slice(-0)` is the whole array. */
function newest<T>(all: readonly T[], count = all.length): readonly T[] {
  return all.slice(Math.max(0, all.length - count));
}

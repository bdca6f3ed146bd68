import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type Answer, readAnswer } from '../protocol/answer.js';
import { messageOf } from '../protocol/history.js';

/** An answer from history: a record without `seq` and `ingested_at`, which only the server's log knows. */
export type HistoryRecord = { readonly commit: string } & Answer;

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
  const answers = commits.map(messageOf).filter((message) => message.kind === 'answer');
  const reader = openObjectReader(repo);
  try {
    const records: HistoryRecord[] = [];
    for (const { commit, change } of newest(answers, range.count)) {
      const blob = await reader.read(change.newId);
      const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
      if (read?.ok) records.push({ commit: commit.id, ...read.value });
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

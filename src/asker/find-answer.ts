import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type Answer, readAnswer } from '../protocol/answer.js';
import { messageOf } from '../protocol/history.js';

/** An answer and the commit that brought it. */
export interface FoundAnswer {
  readonly commit: string;
  readonly answer: Answer;
}

/** Looks for the answer to a task among the commits on `ref` that came after it. */
export async function findAnswer(
  repo: Repository,
  ref: string,
  task: string,
  signal?: AbortSignal,
): Promise<FoundAnswer | null> {
  const commits = await readHistory(repo, { from: [ref], not: [task] }, signal);
  for (const commit of commits) {
    const message = messageOf(commit);
    if (message.kind !== 'answer' || commit.taskTrailer !== task) continue;
    const reader = openObjectReader(repo);
    try {
      const blob = await reader.read(message.change.newId);
      const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
      if (read?.ok) return { commit: commit.id, answer: read.value };
    } finally {
      reader.close();
    }
  }
  return null;
}

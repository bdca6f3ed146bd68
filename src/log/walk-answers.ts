import type { Answer } from '../protocol/answer.js';
import { readAnswer } from '../protocol/answer.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import type { ObjectReader } from '../git/object-reader.js';

/** An answer where it stands in history. */
export interface WalkedAnswer {
  readonly commit: HistoryCommit;
  readonly answer: Answer;
}

/** Reads the answer of a commit: null where it is none, the reason where it only looks like one. */
export async function answerOf(
  reader: ObjectReader,
  commit: HistoryCommit,
): Promise<WalkedAnswer | { readonly reason: string } | null> {
  const message = messageOf(commit);
  if (message.kind !== 'answer') return null;
  const blob = await reader.read(message.change.newId);
  if (blob === null) return { reason: 'is not in the repository' };
  // The size was judged when it came in; a limit lowered since does not take an answer out of the record.
  const read = readAnswer(blob.content, Number.POSITIVE_INFINITY);
  return read.ok ? { commit, answer: read.value } : { reason: read.reason };
}

/** The answers among these commits: what the log has a line for, in the order of its lines. */
export async function* walkAnswers(
  reader: ObjectReader,
  commits: AsyncIterable<HistoryCommit>,
): AsyncGenerator<WalkedAnswer> {
  for await (const commit of commits) {
    const found = await answerOf(reader, commit);
    // Only a history made without our hook has a commit that merely looks like one. It has no line and no number.
    if (found !== null && 'answer' in found) yield found;
  }
}

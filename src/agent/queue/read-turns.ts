import type { ObjectReader } from '../../git/object-reader.js';
import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { readKeptAnswer } from '../../protocol/answer.js';
import { messageOf } from '../../protocol/history.js';
import { MAX_CONVERSATION_TASKS } from '../../protocol/limits.js';
import { shortId } from '../../protocol/names.js';
import type { Earlier, Turn } from './fit-conversation.js';
import { readAskedTask } from './read-task.js';

/** Where a conversation is read. */
export interface ConversationContext {
  readonly clone: Repository;
  readonly reader: ObjectReader;
  readonly maxTaskBytes: number;
  /** Brings history from further back into the clone. False: there is no more, or it is too far. */
  readonly deepen: (signal: AbortSignal) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** The turns before a task, the newest first; or why the conversation cannot be continued. */
export type Turns = ({ readonly ok: true } & Earlier) | { readonly ok: false; readonly reason: string };

/**
 * Follows `reply_to` from task to task, MAX_CONVERSATION_TASKS at most. Each has to be a task on main before
 * the one that replies to it, with a good answer in between. So the conversation depends on the history
 * before the task alone, whoever reads it and whenever.
 */
export async function readTurns(scope: ConversationContext, taskId: string, replyTo: string): Promise<Turns> {
  const turns: Turn[] = [];
  let child = taskId;
  for (let next: string | undefined = replyTo; next !== undefined; ) {
    if (turns.length === MAX_CONVERSATION_TASKS) return { ok: true, turns, isLonger: true };
    const turn = await readTurn(scope, next, child);
    if ('reason' in turn) return { ok: false, reason: `task ${shortId(next)} ${turn.reason}` };
    turns.push(turn);
    child = next;
    next = turn.task.reply_to;
  }
  return { ok: true, turns, isLonger: false };
}

async function readTurn(
  scope: ConversationContext,
  id: string,
  child: string,
): Promise<Turn | { readonly reason: string }> {
  const { clone, reader, signal } = scope;
  for (;;) {
    const object = await reader.info(id);
    if (object !== null && object.type !== 'commit') return { reason: 'is no task' };
    // From the task to the one that replies to it. A commit at the edge of a shallow clone has no parent, so
    // its change cannot be told.
    const commits =
      object === null ? [] : await readHistory(clone, { from: [child], not: [`${id}^@`] }, signal);
    const [first] = commits;
    if (object !== null && first !== undefined && first.parents.length > 0) {
      const asked = messageOf(first);
      if (first.id !== id || asked.kind !== 'task') return { reason: 'is no task on main before it' };
      const answer = commits.findLast(
        (commit) => messageOf(commit).kind === 'answer' && commit.taskTrailer === id,
      );
      if (answer === undefined) return { reason: 'had no answer when this was asked' };
      return readBoth(scope, asked, answer.changes[0]?.newId ?? '');
    }
    if (!(await scope.deepen(signal))) return { reason: 'is not in the history that this agent can reach' };
  }
}

async function readBoth(
  scope: ConversationContext,
  asked: Extract<ReturnType<typeof messageOf>, { kind: 'task' }>,
  answerBlob: string,
): Promise<Turn | { readonly reason: string }> {
  const { commit, file, change } = asked;
  const { task } = await readAskedTask(
    scope.reader,
    {
      ...{ id: commit.id, file, change, asker: commit.author },
      ...{ askedAtMs: commit.committedAtMs, subject: commit.subject },
    },
    scope.maxTaskBytes,
  );
  if (task === null) return { reason: 'cannot be read' };
  // The messages of a request are in the form of one API, and hold the whole conversation already.
  if (task.request !== undefined) return { reason: 'is a request, which has no conversation to continue' };
  const blob = await scope.reader.read(answerBlob);
  const read = readKeptAnswer(blob?.content);
  if (read === null) return { reason: 'has an answer that cannot be read' };
  const { answer, error } = read;
  return answer === null ? { reason: `was answered with the error ${error?.code}` } : { task, answer };
}

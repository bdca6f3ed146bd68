import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { statusOf } from '../protocol/commit-message.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { shortId } from '../protocol/names.js';
import { taskHash } from '../protocol/task.js';
import { TaskRecords } from './task-records.js';
import { answerOf, type WalkedAnswer } from './walk-answers.js';

/** A fault in history that the hooks would not have let in. */
export interface HistoryFault {
  readonly commit: string;
  readonly fault: string;
}

/**
 * The answers among these commits, the oldest first. Each answer is compared with its own trailers and
 * with its task: the task must come before it, have that hash, and have no other answer. An answer that
 * fails is yielded as a fault in its place.
 */
export async function* auditHistory(
  repo: Repository,
  reader: ObjectReader,
  commits: AsyncIterable<HistoryCommit>,
): AsyncGenerator<WalkedAnswer | HistoryFault> {
  /** Tasks without an answer, and their hashes. */
  const open = new Map<string, string>();
  /** Answered tasks, and the commits that answered them. */
  const answered = new Map<string, string>();
  const tasks = new TaskRecords(repo, reader);
  for await (const commit of commits) {
    const message = messageOf(commit);
    tasks.see(commit);
    if (message.kind === 'task') {
      const blob = await reader.read(message.change.newId);
      if (blob === null) yield { commit: commit.id, fault: `${message.file} is not in the repository` };
      else open.set(commit.id, taskHash(blob.content));
    }
    if (message.kind !== 'answer') continue;
    const found = await answerOf(reader, tasks, commit);
    if (found === null) continue;
    const fault = 'reason' in found ? `inbox.json ${found.reason}` : faultOf(found, open, answered);
    if (fault !== null) yield { commit: commit.id, fault };
    else if ('answer' in found) {
      yield found;
      open.delete(found.answer.task_commit);
      answered.set(found.answer.task_commit, commit.id);
    }
  }
}

function faultOf(
  { commit, answer }: WalkedAnswer,
  open: ReadonlyMap<string, string>,
  answered: ReadonlyMap<string, string>,
): string | null {
  const said = [commit.taskTrailer, commit.taskHashTrailer, commit.statusTrailer];
  const meant = [answer.task_commit, answer.task_hash, statusOf(answer)];
  const wrong = ['Task', 'Task-Hash', 'Status'].find((_, index) => said[index] !== meant[index]);
  if (wrong !== undefined) return `the trailer ${wrong} does not say what inbox.json says`;
  const task = shortId(answer.task_commit);
  const earlier = answered.get(answer.task_commit);
  if (earlier !== undefined) return `task ${task} was answered before, by commit ${shortId(earlier)}`;
  const hash = open.get(answer.task_commit);
  if (hash === undefined) return `no task ${task} was asked on main before it`;
  return hash === answer.task_hash ? null : `task ${task} does not have the hash that the answer says`;
}

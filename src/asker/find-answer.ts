import type { BridgeView } from '../bridge/bridge-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { openToRead } from '../log/catch-up-log.js';
import { TaskRecords } from '../log/task-records.js';
import { answerOf } from '../log/walk-answers.js';
import type { Answer } from '../protocol/answer.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import type { RecordTask } from '../protocol/log-record.js';
import { shortId } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';
import { authorOf, type Writer } from './commit-to-view.js';
import { findLastTask, findTaskAnywhere, LAST, type Searched } from './find-task.js';

/** An answer, the commit that brought it, and what a record says of its task. */
export interface FoundAnswer {
  readonly commit: string;
  readonly asked: RecordTask;
  readonly answer: Answer;
}

/**
 * Looks for the answer to a task among the commits on main that came after it. Give the commit of the task
 * where its metadata is wanted: in a clone the file of a large task may have been left out.
 */
export async function findAnswer(
  view: Searched & Pick<BridgeView, 'requireFile'>,
  asked: string | HistoryCommit,
  signal?: AbortSignal,
): Promise<FoundAnswer | null> {
  const task = typeof asked === 'string' ? asked : asked.id;
  const { repo, ref } = view;
  // An answer names its task, so git need not print thousands of others.
  const commits = await readHistory(repo, { from: [ref], not: [task], messageLike: task }, signal);
  for (const commit of commits) {
    const message = messageOf(commit);
    if (message.kind !== 'answer' || commit.taskTrailer !== task) continue;
    if (typeof asked !== 'string') await view.requireFile(asked, { signal });
    const reader = openObjectReader(repo);
    try {
      const found = await readFoundAnswer(
        view,
        { reader, records: new TaskRecords(repo, reader) },
        commit,
        signal,
      );
      if (found !== null) return found;
    } finally {
      reader.close();
    }
  }
  return null;
}

/**
 * Reads the answer that a commit brings; null where it brings none. Both readers are of the view's
 * repository.
 */
export async function readFoundAnswer(
  view: Pick<BridgeView, 'requireFile'>,
  { reader, records }: { readonly reader: ObjectReader; readonly records: TaskRecords },
  commit: HistoryCommit,
  signal?: AbortSignal,
): Promise<FoundAnswer | null> {
  await view.requireFile(commit, { signal });
  const found = await answerOf(reader, records, commit);
  return found !== null && 'answer' in found
    ? { commit: commit.id, asked: found.task, answer: found.answer }
    : null;
}

/**
 * Gets the answer to a task, which is named by its id or the beginning of it. `found` is null where there is
 * no answer yet. Throws BridgeError `no-such-task`, `expired`, or `usage` as findTask does.
 */
export async function getAnswer(
  access: BridgeAccess,
  prefix: string,
): Promise<{ readonly task: string; readonly found: FoundAnswer | null }> {
  const view = await openToRead(access, 'window');
  try {
    const asked = await findTaskAnywhere(view, prefix);
    const { id, committedAtMs } = asked;
    const found = await findAnswer(view, asked);
    const { serverNow, taskTtlMs: ttlMs } = view.terms;
    if (found === null && isExpired(committedAtMs, { nowMs: serverNow(), ttlMs })) {
      throw new BridgeError(
        `${shortId(id)} was not answered within ${formatDuration(ttlMs)}, and will not be any more`,
        { code: 'expired', remedy: 'see that an agent runs ("llm-bridge status"), and ask again' },
      );
    }
    return { task: id, found };
  } finally {
    await view.close();
  }
}

/**
 * Finds the task to reply to by its id or the beginning of it, or by LAST the one that this writer asked
 * last, and returns its whole id. Throws BridgeError `no-such-task`, `not-answered` (yet), `failed-task`, or
 * `usage` as findTask does.
 */
export async function findAnswered(view: BridgeView, text: string, writer: Writer): Promise<string> {
  const { signal } = writer;
  const why = ', so there is nothing to reply to';
  const task =
    text === LAST
      ? await findLastTask(view, authorOf(view.terms, writer), signal)
      : await findTaskAnywhere(view, text, { why, signal });
  const found = await findAnswer(view, task.id, signal);
  const id = shortId(task.id);
  if (found === null) {
    throw new BridgeError(`${id} has no answer yet, so there is nothing to reply to`, {
      code: 'not-answered',
      remedy: `wait for it: llm-bridge answer ${id}`,
    });
  }
  if (found.answer.error !== null) {
    throw new BridgeError(`${id} was answered with the error ${found.answer.error.code}`, {
      code: 'failed-task',
      remedy: 'reply to the task before it, or ask again',
    });
  }
  if (found.answer.response !== undefined) {
    throw new BridgeError(`${id} is a request, which has no conversation to reply to`, {
      code: 'failed-task',
      remedy: 'send its messages again in a request, with the response and the new message behind them',
    });
  }
  return task.id;
}

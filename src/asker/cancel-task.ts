import type { BridgeView } from '../bridge/bridge-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { writeBlob } from '../git/commit-file.js';
import { readHistory } from '../git/read-history.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { writeCancel } from '../protocol/cancel.js';
import { cancelMessage } from '../protocol/commit-message.js';
import { formatDuration } from '../protocol/duration.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { CANCEL_FILE, shortId } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';
import { commitToView, openToWrite } from './commit-to-view.js';
import { findTask } from './find-task.js';
import type { Submission } from './submission.js';

/** Options for a cancel. */
export interface CancelOptions {
  /** The id of the task, or the beginning of it. */
  readonly task: string;
  /** The reason, for whoever reads the record. */
  readonly reason?: string;
  /** The name of who cancels, where no key gives one. */
  readonly name?: string;
  readonly signal?: AbortSignal;
}

/** A cancelled task and the commit that cancels it. `isNew` false: an earlier commit had cancelled it. */
export interface Cancelled {
  readonly task: string;
  readonly commit: string;
  readonly isNew: boolean;
}

/**
 * Cancels an open task. The agent that works on it, or the next one that looks, answers it with the error
 * `cancelled`, unless its answer is finished by then. Throws BridgeError `no-such-task`, `answered`,
 * `expired`, or `refused-author` for another asker's task.
 */
export async function cancelTask(access: BridgeAccess, options: CancelOptions): Promise<Cancelled> {
  const view = await openToWrite(access, 'window', options);
  try {
    return await cancelInView(view, options);
  } finally {
    await view.close();
  }
}

/** The same in a view that is open to write. */
export async function cancelInView(view: BridgeView, options: CancelOptions): Promise<Cancelled> {
  const { terms } = view;
  let task = await findTask(view, options.task);
  if (task === null && !view.isLocal) {
    // Asked through this very view a moment ago, and not fetched since.
    await view.refresh({ signal: options.signal });
    task = await findTask(view, options.task);
  }
  if (task === null) throw noSuchTask(options.task);
  if (isExpired(task.committedAtMs, { nowMs: terms.serverNow(), ttlMs: terms.taskTtlMs })) {
    throw new BridgeError(
      `${shortId(task.id)} was not answered within ${formatDuration(terms.taskTtlMs)}, and will not be any more`,
      { code: 'expired', remedy: 'nothing: there is nothing left to cancel' },
    );
  }
  const submission = cancelSubmission(task, terms.serverNow, options.reason);
  const { id, isNew } = await commitToView(view, submission, options);
  return { task: task.id, commit: id, isNew };
}

function cancelSubmission(task: HistoryCommit, now: () => number, reason: string | undefined): Submission {
  return {
    file: CANCEL_FILE,
    async compose({ repo }, parent) {
      let done: string | null = null;
      for (const commit of await readHistory(repo, { from: [parent], not: [task.id] })) {
        const { kind } = messageOf(commit);
        if (commit.taskTrailer !== task.id) continue;
        if (kind === 'answer') throw answered(task.id);
        if (kind === 'cancel') done ??= commit.id;
      }
      if (done !== null) return { done };
      const cancel = {
        task_commit: task.id,
        ...(reason === undefined ? {} : { reason }),
        cancelled_at: new Date(now()).toISOString(),
      };
      return { blob: await writeBlob(repo, writeCancel(cancel)), message: cancelMessage(cancel) };
    },
    needsHistory: async () => false,
  };
}

function noSuchTask(text: string): BridgeError {
  return new BridgeError(`no task that can be pending begins with ${text}`, {
    code: 'no-such-task',
    remedy: '"llm-bridge list" shows the tasks',
  });
}

function answered(task: string): BridgeError {
  return new BridgeError(`${shortId(task)} has its answer already`, {
    code: 'answered',
    remedy: `llm-bridge answer ${shortId(task)}`,
  });
}

import { randomUUID } from 'node:crypto';
import { checkTerms } from '../asker/check-terms.js';
import { draftTask } from '../asker/task-draft.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { writeCancel } from '../protocol/cancel.js';
import { askMessage, cancelMessage } from '../protocol/commit-message.js';
import { CANCEL_FILE } from '../protocol/names.js';
import { taskHash } from '../protocol/task.js';
import { ApiError } from './api-errors.js';
import type { AskedCall } from './asked-call.js';
import type { QueuedMessage } from './commit-batch.js';
import { isTooLarge, notTaken } from './task-errors.js';

/** A message of ours, ready to be committed. */
export type MessageDraft = Omit<QueuedMessage, 'isWanted'>;

/** A call as a task. */
export interface CallDraft extends MessageDraft {
  /** Whether agents are to send what they generate while they generate it. */
  readonly isStreamed: boolean;
}

/**
 * Makes a task of a call, by the rules of the bridge. `gateway`: the name of the gateway in the record.
 * Throws ApiError: 413 for one too large, 400 for one that is no task, 502 for an older bridge that takes no
 * calls.
 */
export function draftCall(
  asked: AskedCall,
  { terms }: Pick<BridgeView, 'terms'>,
  gateway: string,
): CallDraft {
  const { path, body, token, idempotencyKey, wantsStream, localOnly } = asked;
  const metadata = {
    ...asked.metadata,
    gateway,
    ...(token === null ? {} : { token }),
    ...(idempotencyKey === null ? {} : { idempotency_key: idempotencyKey }),
  };
  const stream = wantsStream && terms.hasStreams ? { stream: true } : {};
  const local = localOnly === true ? { local_only: true } : {};
  const fields = { id: randomUUID(), request: { path, body }, ...local, ...stream, metadata };
  const limits = { nowMs: terms.serverNow(), dedup: false, maxBytes: terms.maxTaskBytes };
  try {
    const { file, bytes, question, task } = draftTask(fields, limits);
    checkTerms(task, terms);
    const message = askMessage({ hash: taskHash(bytes), question });
    return { file, bytes, message, isStreamed: task.stream === true };
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    if (error.code === 'older-bridge') throw notTaken(error);
    throw new ApiError(error.message, { status: isTooLarge(error) ? 413 : 400, cause: error });
  }
}

/** The cancel of a task; by default of one that nobody waits for any more. */
export function draftCancel(
  task: string,
  { terms }: Pick<BridgeView, 'terms'>,
  reason = 'nobody waits for it any more',
): MessageDraft {
  const cancel = {
    task_commit: task,
    reason,
    cancelled_at: new Date(terms.serverNow()).toISOString(),
  };
  const message = cancelMessage(cancel);
  return { file: CANCEL_FILE, bytes: writeCancel(cancel), message, cancels: task };
}

import { BridgeError } from '../protocol/bridge-error.js';
import { shortId } from '../protocol/names.js';
import { findAnswer } from './find-answer.js';
import { findTask } from './find-task.js';
import type { Asker } from './open-asker.js';

/**
 * Finds the task to reply to by its id or the beginning of it, and answers its whole id. What is replied to is young as a rule; all of history is
 * brought here only where it is not. Throws BridgeError `no-such-task`, `not-answered` (yet), `failed-task`, or `usage` as findTask does.
 */
export async function findAnswered(asker: Asker, text: string, signal?: AbortSignal): Promise<string> {
  await asker.reach('window', signal);
  let task = await findTask(asker.repo, asker.ref, text);
  if (task === null) {
    await asker.reach('all', signal);
    task = await findTask(asker.repo, asker.ref, text);
  }
  if (task === null) {
    throw new BridgeError(`no task on this bridge begins with ${text}, so there is nothing to reply to`, {
      code: 'no-such-task',
      remedy: '"llm-bridge list" shows the tasks',
    });
  }
  const found = await findAnswer(asker.repo, asker.ref, task.id, signal);
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
      remedy: 'reply to the task before it, or ask anew',
    });
  }
  return task.id;
}

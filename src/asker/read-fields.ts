import type { BridgeView } from '../bridge/bridge-view.js';
import { openObjectReader } from '../git/object-reader.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { shortId } from '../protocol/names.js';
import { readTask, type TaskJson } from '../protocol/task.js';

/** Reads what a task says, from its commit. Throws BridgeError `failed-task` where that is no task. */
export async function readFields(view: BridgeView, commit: HistoryCommit): Promise<TaskJson> {
  await view.requireFile(commit);
  const message = messageOf(commit);
  const reader = openObjectReader(view.repo);
  try {
    const blob = message.kind === 'task' ? await reader.read(message.change.newId) : null;
    const read =
      message.kind === 'task' && blob !== null
        ? readTask(message.file, blob.content, Number.POSITIVE_INFINITY)
        : null;
    if (read?.ok) return read.value;
  } finally {
    reader.close();
  }
  throw new BridgeError(`${shortId(commit.id)} is no task that can be read`, {
    code: 'failed-task',
    remedy: 'name another one: llm-bridge list',
  });
}

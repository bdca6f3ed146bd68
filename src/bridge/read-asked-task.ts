import type { ObjectReader } from '../git/object-reader.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { readTask, type TaskJson } from '../protocol/task.js';

/**
 * The `task.json` that a commit asks by. Null for a `task.txt`, which says nothing but its prompt, and for
 * what cannot be read: it is too large, not there, or not valid.
 */
export async function readAskedTask(reader: ObjectReader, commit: HistoryCommit): Promise<TaskJson | null> {
  const message = messageOf(commit);
  if (message.kind !== 'task' || message.file !== 'task.json') return null;
  const blob = await reader.read(message.change.newId, DEFAULT_MAX_TASK_BYTES);
  const read = blob === null ? null : readTask('task.json', blob.content);
  return read?.ok ? read.value : null;
}

import type { ObjectReader } from '../git/object-reader.js';
import type { AskedTask } from '../protocol/pending.js';
import { readTask, type TaskJson } from '../protocol/task.js';
import { taskHash } from '../protocol/task-hash.js';

/** A task as its commit has it. `task` is null where it cannot be asked, and `reason` says why. */
export type TaskContent =
  | { readonly hash: string; readonly task: TaskJson }
  | { readonly hash: string; readonly task: null; readonly reason: string };

/**
 * Reads a pending task from its blob. Only a plain file is read: a symlink, a submodule, a folder or an executable is refused
 * by its mode, a large one by its size, both before anything of it is read.
 */
export async function readAskedTask(
  reader: ObjectReader,
  asked: AskedTask,
  maxBytes: number,
): Promise<TaskContent> {
  const { change, file } = asked;
  const bad = (reason: string, hash = taskHash(Buffer.alloc(0))) => ({
    hash,
    task: null,
    reason: `${file} ${reason}`,
  });
  if (change.newMode !== '100644') return bad(`is not a plain file (mode ${change.newMode})`);
  const blob = await reader.read(change.newId, maxBytes);
  if (blob === null) return bad(`is larger than ${maxBytes} bytes`);
  const hash = taskHash(blob.content);
  const read = readTask(file, blob.content, maxBytes);
  return read.ok ? { hash, task: read.value } : bad(read.reason, hash);
}

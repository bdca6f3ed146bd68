import type { ObjectReader, ReadObject } from '../../git/object-reader.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import type { AskedTask } from '../../protocol/queue.js';
import { readTask, type TaskJson, taskHash } from '../../protocol/task.js';

/** A task as its commit has it. `task` is null where it cannot be asked, and `reason` says why. */
export type TaskContent =
  | { readonly hash: string; readonly task: TaskJson }
  | { readonly hash: string; readonly task: null; readonly reason: string };

/**
 * The most that is read to be hashed: as much as a push can bring. Only the owner of the bridge can exceed
 * it.
 */
const MAX_HASHED_BYTES = 64 * 1024 * 1024;

/**
 * So many tasks of at most so many bytes are read at once: a start among fifty thousand open tasks spends
 * its time waiting for git otherwise.
 */
const AT_ONCE = 256;
const SMALL_BYTES = 16 * 1024;

/** Stands for the bytes of a task that cannot be read at all: a submodule, or more than MAX_HASHED_BYTES. */
const NOTHING = Buffer.alloc(0);

/**
 * Reads a pending task from its blob; nothing else is looked at, so a symlink is the text of its target and
 * is not followed. What is not a plain file of at most `maxBytes` is refused, and hashed all the same: an
 * error answer too has to name the hash. Throws BridgeError `missing-object` where the clone has lost it.
 */
export async function readAskedTask(
  reader: ObjectReader,
  asked: AskedTask,
  maxBytes: number,
): Promise<TaskContent> {
  const { change } = asked;
  // The commit of a submodule is in no clone; anything else that a tree names was fetched with it.
  if (change.newMode !== '160000' && (await reader.info(change.newId)) === null) throw notInClone(asked);
  return contentOf(asked, await reader.read(change.newId, MAX_HASHED_BYTES), maxBytes);
}

/** Reads many, in their order. It throws like `readAskedTask`. */
export async function* readAskedTasks(
  reader: ObjectReader,
  tasks: readonly AskedTask[],
  maxBytes: number,
): AsyncGenerator<{ readonly asked: AskedTask; readonly content: TaskContent }> {
  for (let at = 0; at < tasks.length; at += AT_ONCE) {
    const some = tasks.slice(at, at + AT_ONCE);
    const blobs = await reader.readSmall(
      some.map(({ change }) => change.newId),
      SMALL_BYTES,
    );
    for (const [index, asked] of some.entries()) {
      const blob = blobs[index] ?? null;
      const content =
        blob === null ? await readAskedTask(reader, asked, maxBytes) : contentOf(asked, blob, maxBytes);
      yield { asked, content };
    }
  }
}

function contentOf({ change, file }: AskedTask, blob: ReadObject | null, maxBytes: number): TaskContent {
  const bytes = blob?.info.type === 'blob' ? blob.content : NOTHING;
  const hash = taskHash(bytes);
  const bad = (reason: string) => ({ hash, task: null, reason: `${file} ${reason}` });
  if (change.newMode !== '100644') return bad(`is not a plain file (mode ${change.newMode})`);
  if (blob === null || bytes.length > maxBytes) return bad(`is larger than ${maxBytes} bytes`);
  const read = readTask(file, bytes, maxBytes);
  return read.ok ? { hash, task: read.value } : bad(read.reason);
}

function notInClone(asked: AskedTask): BridgeError {
  return new BridgeError(`the clone has lost ${asked.file} of task ${asked.id}`, {
    code: 'missing-object',
    remedy: 'nothing: the clone is made again',
    retryable: true,
  });
}

import path from 'node:path';
import { DISK, writeWhole } from '../process/durable-file.js';
import { makeGroupFolder, openGroupFile } from '../process/group-files.js';
import { stringifyEscaped } from '../protocol/strict-json.js';
import { requireSafeLogFolder } from './log-folder.js';

/**
 * A line of `watched.log`, which stands beside `answers.log`: what became of a change of a watched file
 * whose own hash no record will have. So a program that waits for that hash learns of it. `answers.log`
 * itself follows from history alone, and nothing of this is in history. Times are ISO 8601.
 */
export interface WatchedNote {
  /** The SHA-256 of the bytes that the file had. */
  readonly task_hash: string;
  /** The hash that the record will have, where the file was converted and asked; null where it was not. */
  readonly asked_as: string | null;
  /** Why nothing was asked, and what mends it; null where something was. */
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string } | null;
  /** The path of the file. */
  readonly file: string;
  readonly created_at: string;
}

/**
 * Some hundred notes; a bot reads the file while it waits. The notes before them stay in `watched.log.1`.
 */
const MAX_BYTES = 256 * 1024;

/** The path of `watched.log`. */
function watchedLogOf(answersLog: string): string {
  return path.join(path.dirname(answersLog), 'watched.log');
}

/**
 * Appends a note. It is not synced: after a power cut the watch looks at its file again. Throws BridgeError
 * `open-log-folder`, and what the disk throws.
 */
export async function noteWatched(
  bridge: { readonly gitDir: string; readonly answersLog: string },
  note: WatchedNote,
): Promise<void> {
  const file = watchedLogOf(bridge.answersLog);
  await makeGroupFolder(path.dirname(file));
  requireSafeLogFolder(file, bridge.gitDir);
  const handle = await openGroupFile(file, 'a');
  let size: number;
  try {
    await writeWhole(handle, Buffer.from(`${stringifyEscaped(note)}\n`));
    ({ size } = await handle.stat());
  } finally {
    await handle.close();
  }
  if (size > MAX_BYTES) await DISK.rename(file, `${file}.1`);
}

import { randomBytes } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { GROUP_MODES } from '../process/group-files.js';

/**
 * The folder of the streams, in a bridge. In it are the stream of a task under the task's id, one that is
 * just made under `new.<pid>…`, and a mark `say.<pid>…` for each writer and `hear.<pid>` for each ssh session
 * that listens. `<pid>` is the process that writes or listens.
 */
export const STREAMS_FOLDER = 'bridge/streams';

/**
 * The most files of streams: with the limit of one, this bounds what streams take of the disk. A writer
 * counts twice, because its file may be replaced by another while it still writes.
 */
export const MAX_STREAMS = 256;

/** The file of a task's stream. */
export function streamFile(gitDir: string, task: string): string {
  return path.join(gitDir, STREAMS_FOLDER, task);
}

/** A place among the writers of streams. */
export interface StreamPlace {
  /** Where to make the file; it gets its name by a rename. */
  readonly draft: string;
  /** Gives the place back. */
  leave(): Promise<void>;
}

/** Takes a place among the writers; null where there is no folder for streams, or no place is left. */
export async function takeStreamPlace(gitDir: string): Promise<StreamPlace | null> {
  const folder = path.join(gitDir, STREAMS_FOLDER);
  const mine = `${process.pid}.${randomBytes(8).toString('hex')}`;
  const mark = path.join(folder, `say.${mine}`);
  try {
    await (await open(mark, 'wx', GROUP_MODES.file)).close();
  } catch {
    return null;
  }
  const leave = () => rm(mark, { force: true });
  // Counted with the mark in place: of many that come at once none is overlooked.
  if ((await countPlaces(folder)) > MAX_STREAMS) {
    await leave();
    return null;
  }
  return { draft: path.join(folder, `new.${mine}`), leave };
}

async function countPlaces(folder: string): Promise<number> {
  const names = await readdir(folder);
  const marks = names.filter((name) => name.startsWith('say.')).length;
  return names.filter((name) => /^[0-9a-f]+$/.test(name)).length + 2 * marks;
}

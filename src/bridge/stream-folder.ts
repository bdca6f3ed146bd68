import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, rm, utimes } from 'node:fs/promises';
import path from 'node:path';
import { GROUP_MODES } from '../process/group-files.js';
import { isRunning } from '../process/is-running.js';
import { writeStreamLines } from '../protocol/stream.js';

/**
 * The folder of the streams, in a bridge. The stream of a task is under the task's id, and a new one under
 * `new.<pid>…` until it gets that name. There is a mark `say.<pid>.….<task>` for each writer, one
 * `hear.<pid>` for each ssh session that listens, and one `ahead.<pid>` for each ssh session that waits for
 * its task. `<pid>` is the process that does it.
 */
export const STREAMS_FOLDER = 'bridge/streams';

/**
 * The most files of streams, and the most writers. With the size limit of one stream this bounds the disk
 * space of all. Writers count, because a file whose name another file has taken has no name and still takes
 * space.
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
export async function takeStreamPlace(gitDir: string, task: string): Promise<StreamPlace | null> {
  const folder = path.join(gitDir, STREAMS_FOLDER);
  const mine = `${process.pid}.${randomBytes(8).toString('hex')}`;
  const mark = path.join(folder, `say.${mine}.${task}`);
  try {
    await (await open(mark, 'wx', GROUP_MODES.file)).close();
  } catch {
    return null;
  }
  const touching = setInterval(() => void touch(mark), MARK_AGE_MS / 4).unref();
  const leave = () => {
    clearInterval(touching);
    return rm(mark, { force: true });
  };
  // Counted when the mark is made, so that none of many that come at once is overlooked. Where there are too
  // many, room is made and they are counted again: another one may have come between two counts.
  const ways = [() => sweepStreams(gitDir, Date.now()), () => removeEndedStreams(folder)];
  while ((await countPlaces(folder)) > MAX_STREAMS) {
    const makeRoom = ways.shift();
    if (makeRoom === undefined) {
      await leave();
      return null;
    }
    await makeRoom();
  }
  return { draft: path.join(folder, `new.${mine}`), leave };
}

/** A stream that nobody wrote to for this long is swept: whoever listened has the answer. Milliseconds. */
const STREAM_AGE_MS = 10 * 60_000;

/**
 * No ssh session lasts that long, and a writer on this machine touches its mark more often. So a mark that
 * is older has lost its process, whatever process has that pid now. Milliseconds.
 */
const MARK_AGE_MS = 2 * 60 * 60_000;

/** Where it fails, a disk is full or the mark is gone, and a stream is not worth more. */
async function touch(mark: string): Promise<void> {
  const now = new Date();
  await utimes(mark, now, now).catch(() => {});
}

const STREAM_NAME = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const MARK_NAME = /^(?:say|hear|ahead|new)\.([0-9]{1,10})(?:\.|$)/;

/**
 * Removes the streams that nobody has written to for ten minutes, and what killed sessions have left.
 * Nothing of another name is touched, and a link is removed as a link. Never throws. `nowMs` is the clock of
 * the disk.
 */
export async function sweepStreams(gitDir: string, nowMs: number): Promise<void> {
  const folder = path.join(gitDir, STREAMS_FOLDER);
  const names = await readdir(folder).catch(() => []);
  const sweep = async (name: string): Promise<void> => {
    const file = path.join(folder, name);
    const pid = Number(MARK_NAME.exec(name)?.[1]);
    if (!STREAM_NAME.test(name) && Number.isNaN(pid)) return;
    const { mtimeMs } = await lstat(file);
    const ageMs = nowMs - mtimeMs;
    const isOver = Number.isNaN(pid) ? ageMs > STREAM_AGE_MS : ageMs > MARK_AGE_MS || !isRunning(pid);
    // Not a folder, which this cannot remove.
    if (isOver) await rm(file, { force: true });
  };
  await Promise.allSettled(names.map(sweep));
}

/** The last line of a stream that is complete. */
const END_LINE = writeStreamLines({ end: true });

/**
 * Removes the streams that are complete. They stay for ten minutes for late readers, and go earlier where a
 * new stream would find no place: their answers are there.
 */
async function removeEndedStreams(folder: string): Promise<void> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  for (const name of (await readdir(folder)).filter((one) => STREAM_NAME.test(one))) {
    const file = path.join(folder, name);
    const handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
    if (handle === null) continue;
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) continue;
      const position = Math.max(0, stats.size - END_LINE.length);
      const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(END_LINE.length), position });
      if (buffer.subarray(0, bytesRead).equals(END_LINE)) await rm(file, { force: true });
    } finally {
      await handle.close();
    }
  }
}

/**
 * The files with a name, and those that are about to get one. More than the limit wherever too many write.
 */
async function countPlaces(folder: string): Promise<number> {
  const names = await readdir(folder);
  const files = new Set(names.filter((name) => STREAM_NAME.test(name)));
  const marks = names.filter((name) => name.startsWith('say.'));
  const unnamed = marks.filter((mark) => !files.has(mark.slice(mark.lastIndexOf('.') + 1)));
  return files.size + unnamed.length + (marks.length > MAX_STREAMS ? MAX_STREAMS : 0);
}

import path from 'node:path';
import { pipeline } from 'node:stream';
import { type LogFileSystem, unless } from '../process/durable-file.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type LogPosition, lastPosition, parsePosition, readLogTail } from './log-tail.js';

/** A file of the log: the current one, or one that was rotated away. */
export interface LogFile {
  readonly path: string;
  /** gzip, as `compress` of logrotate makes it. */
  readonly isCompressed: boolean;
  readonly isCurrent: boolean;
  /** What names the file itself, whatever it is called. */
  readonly inode: number;
  /** How long it is now; what comes later is not part of what was found. */
  readonly size: number;
}

/** How often a set of files that changes while it is read is read again: a rotation takes milliseconds. */
const MAX_LOOKS = 20;

/**
 * The file names that `logrotate` gives: `answers.log.1`, `answers.log-20261122`, `answers-20261122.log` (its `extension`), each also with
 * `.gz`, and `.backup` for what stood in its way. What is kept aside (`.torn`, `.old-…`) is none of them.
 */
export function isRotatedName(name: string, logName: string): boolean {
  const extension = path.extname(logName);
  const stem = path.basename(logName, extension);
  if (!name.startsWith(stem)) return false;
  const whole = withoutEnd(withoutEnd(name.slice(stem.length), '.gz'), '.backup');
  // The extension stands in front of the number or behind it.
  return [whole, whole.startsWith(extension) ? whole.slice(extension.length) : whole].some(
    (rest) => NUMBERED.test(rest) || NUMBERED.test(withoutEnd(rest, extension)),
  );
}

/** A number or a date, as logrotate puts it behind a name. */
const NUMBERED = /^[.-][0-9][0-9.:_T-]*$/;

function withoutEnd(text: string, end: string): string {
  return text.endsWith(end) ? text.slice(0, text.length - end.length) : text;
}

/**
 * Reads the log with all its rotated files, as one set: where a rotation came in between, `read` runs again on what is there
 * then, and whatever the earlier run answered or threw does not count. Throws BridgeError `log-busy` where it never rests.
 */
export async function withLogFiles<T>(
  fs: LogFileSystem,
  logPath: string,
  read: (files: readonly LogFile[]) => Promise<T>,
): Promise<T> {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const files = await listLogFiles(fs, logPath);
    const done = await read(files).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if (namesOf(await listLogFiles(fs, logPath)) !== namesOf(files)) continue;
    if ('error' in done) throw done.error;
    return done.value;
  }
  throw new BridgeError(`the files of ${logPath} change all the time`, {
    code: 'log-busy',
    remedy: 'see what renames them; logrotate once a day is plenty',
    retryable: true,
  });
}

/** The rotated files and the current one, in no order. */
export async function listLogFiles(fs: LogFileSystem, logPath: string): Promise<LogFile[]> {
  const folder = path.dirname(logPath);
  const logName = path.basename(logPath);
  const all = (await fs.readdir(folder).catch(unless('ENOENT'))) ?? [];
  const names = all
    .filter((name) => name === logName || isRotatedName(name, logName))
    // logrotate removes the plain file once the compressed one is whole; until then only the plain one counts.
    .filter((name) => !name.endsWith('.gz') || !all.includes(name.slice(0, -3)))
    .sort();
  const files: LogFile[] = [];
  for (const name of names) {
    const file = path.join(folder, name);
    const stats = await fs.stat(file).catch(unless('ENOENT'));
    if (!stats?.isFile()) continue;
    const isCompressed = name.endsWith('.gz');
    const isCurrent = name === logName;
    files.push({ path: file, isCompressed, isCurrent, inode: stats.ino, size: stats.size });
  }
  return files;
}

function namesOf(files: readonly LogFile[]): string {
  return files.map(({ path: file, inode }) => `${inode} ${file}`).join('\n');
}

/** The files in the order of their records: those that cannot be read near the end, the current one last. */
export async function sortByFirstRecord(fs: LogFileSystem, files: readonly LogFile[]): Promise<LogFile[]> {
  const keyed: { file: LogFile; key: number }[] = [];
  for (const file of files.filter((one) => !one.isCurrent)) {
    const first = await firstPositionIn(fs, file);
    keyed.push({ file, key: first?.seq ?? Number.MAX_SAFE_INTEGER });
  }
  const rotated = keyed.sort((a, b) => a.key - b.key).map(({ file }) => file);
  return [...rotated, ...files.filter((file) => file.isCurrent)];
}

/**
 * The newest record among the rotated files; null where they have none. What an empty log goes on from: every record that
 * was ever written is in one of these files, unless somebody took it away, and then it is written once more with the same
 * number. Throws BridgeError `bad-log` where one of them ends with something else.
 */
export function lastRotatedPosition(fs: LogFileSystem, logPath: string): Promise<LogPosition | null> {
  return withLogFiles(fs, logPath, async (files) => {
    let newest: LogPosition | null = null;
    for (const file of files.filter((one) => !one.isCurrent && !one.isCompressed)) {
      const last = await lastPositionIn(fs, file);
      if (last !== null && last.seq > (newest?.seq ?? 0)) newest = last;
    }
    // The end of a compressed file is known only by reading all of it, so only the one that begins latest is.
    let latest: { file: LogFile; seq: number } | null = null;
    for (const file of files.filter((one) => !one.isCurrent && one.isCompressed)) {
      const first = await firstPositionIn(fs, file);
      if (first !== null && first.seq > (latest?.seq ?? newest?.seq ?? 0)) latest = { file, seq: first.seq };
    }
    return latest === null ? newest : lastPositionIn(fs, latest.file);
  });
}

/** Yields the whole lines of a file of the log, without their line breaks. What stands behind the last one was torn off. */
export async function* readLines(fs: LogFileSystem, file: LogFile): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const chunk of readBytes(fs, file)) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, end)]);
      rest = [];
      yield line.toString('utf8');
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
}

/** The first line of a file that is a record; null where none is. */
export async function firstPositionIn(fs: LogFileSystem, file: LogFile): Promise<LogPosition | null> {
  for await (const line of readLines(fs, file)) {
    const position = parsePosition(line);
    if (position !== null) return position;
  }
  return null;
}

/** The last record of a file, torn bytes behind it left aside; null where it has no whole line. Throws BridgeError `bad-log`. */
export async function lastPositionIn(fs: LogFileSystem, file: LogFile): Promise<LogPosition | null> {
  if (file.isCompressed) {
    let last: string | null = null;
    for await (const line of readLines(fs, file)) last = line;
    return last === null ? null : lastPosition(last, file.path);
  }
  const handle = await fs.open(file.path, 'r');
  try {
    return (await readLogTail(handle, file.path)).last;
  } finally {
    await handle.close();
  }
}

async function* readBytes(fs: LogFileSystem, file: LogFile): AsyncGenerator<Buffer> {
  const handle = await fs.open(file.path, 'r');
  try {
    if (file.size === 0) return;
    const stream = handle.createReadStream({ autoClose: false, start: 0, end: file.size - 1 });
    if (!file.isCompressed) {
      yield* stream;
      return;
    }
    // Loaded here: every push starts a hook that needs this file, and next to never this part of it.
    const { createGunzip } = await import('node:zlib');
    const plain = createGunzip();
    // Failures of either come out of `plain`, which is what is read.
    pipeline(stream, plain, () => {});
    try {
      yield* plain;
    } catch (cause) {
      throw new BridgeError(`${file.path} cannot be unpacked`, {
        code: 'bad-log',
        remedy: 'move it away; "llm-bridge ingest --rebuild" writes the whole log anew from history',
        cause,
      });
    } finally {
      plain.destroy();
    }
  } finally {
    await handle.close();
  }
}

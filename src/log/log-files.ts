import path from 'node:path';
import { pipeline } from 'node:stream';
import { type LogFileSystem, unless } from '../process/durable-file.js';
import { BridgeError } from '../protocol/bridge-error.js';

/** A file of the log: the current one, or a rotated one. */
export interface LogFile {
  readonly path: string;
  /** Compressed with gzip, as logrotate's `compress` does. */
  readonly isCompressed: boolean;
  readonly isCurrent: boolean;
  /** Identifies the file even after a rename. */
  readonly inode: number;
  /** Its size when it was found. What is appended later is not read. */
  readonly size: number;
}

/** How often the files are read again when they change during the read. A rotation takes milliseconds. */
const MAX_LOOKS = 20;

/**
 * Whether a file has a name that `logrotate` gives: `answers.log.1`, `answers.log-20261122`,
 * `answers-20261122.log` (with its `extension`), each also with `.gz`, and with `.backup` where another file
 * had that name. Files that we set aside (`.torn`, `.old-…`) do not count.
 */
export function isRotatedName(name: string, logName: string): boolean {
  const extension = path.extname(logName);
  const stem = path.basename(logName, extension);
  if (!name.startsWith(stem)) return false;
  const whole = withoutEnd(withoutEnd(name.slice(stem.length), '.gz'), '.backup');
  // The extension comes before the number or after it.
  return [whole, whole.startsWith(extension) ? whole.slice(extension.length) : whole].some(
    (rest) => NUMBERED.test(rest) || NUMBERED.test(withoutEnd(rest, extension)),
  );
}

/** A number or a date, as logrotate appends it to a name. */
const NUMBERED = /^[.-][0-9][0-9.:_T-]*$/;

function withoutEnd(text: string, end: string): string {
  return text.endsWith(end) ? text.slice(0, text.length - end.length) : text;
}

/**
 * Reads the log and all its rotated files as one set. Where a rotation happens during the read, `read`
 * runs again on the new set, and its earlier result or error is dropped. Throws BridgeError `log-busy`
 * where the files never stop changing.
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

/** The rotated files and the current one, by name, which is not the order of their records. */
export async function listLogFiles(fs: LogFileSystem, logPath: string): Promise<LogFile[]> {
  const folder = path.dirname(logPath);
  const logName = path.basename(logPath);
  const all = (await fs.readdir(folder).catch(unless('ENOENT'))) ?? [];
  const names = all
    .filter((name) => name === logName || isRotatedName(name, logName))
    // logrotate removes the plain file after the compressed one is complete. Until then only the plain one
    // counts.
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

/**
 * Yields the complete lines of a log file, without their line breaks. What follows the last one is a torn
 * line.
 */
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

async function* readBytes(fs: LogFileSystem, file: LogFile): AsyncGenerator<Buffer> {
  const handle = await fs.open(file.path, 'r');
  try {
    if (file.size === 0) return;
    const stream = handle.createReadStream({ autoClose: false, start: 0, end: file.size - 1 });
    if (!file.isCompressed) {
      yield* stream;
      return;
    }
    // Loaded here, because every push starts a hook that loads this file and almost never needs zlib.
    const { createGunzip } = await import('node:zlib');
    const plain = createGunzip();
    // An error of either stream comes out of `plain`, which the caller reads.
    pipeline(stream, plain, () => {});
    try {
      yield* plain;
    } catch (cause) {
      throw new BridgeError(`${file.path} cannot be unpacked`, {
        code: 'bad-log',
        remedy: 'move it away; "llm-bridge ingest --rebuild" writes the whole log again from history',
        cause,
      });
    } finally {
      plain.destroy();
    }
  } finally {
    await handle.close();
  }
}

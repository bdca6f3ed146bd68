import { DISK, type LogFileSystem, unless } from '../process/durable-file.js';
import { logRecordSchema, parseLogLine } from '../protocol/log-record.js';
import { type LogFile, listLogFiles, readLines } from './log-files.js';
import { sortByFirstRecord } from './rotated-logs.js';

/** Which lines of the rotated files are wanted. */
export interface OlderRange {
  /** Only these lines. */
  readonly wanted: (line: string) => boolean;
  /** Nothing that was added to the log before this is wanted. Milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
}

/**
 * Yields the wanted records of the files that were rotated away, the oldest first and each number once. A
 * file that was last written before `sinceMs` is not opened, and one that is removed meanwhile is passed
 * over. Throws BridgeError `bad-log` for one that cannot be unpacked.
 */
export async function* olderLines(
  logPath: string,
  { wanted, sinceMs = Number.NEGATIVE_INFINITY }: OlderRange,
  fs: LogFileSystem = DISK,
): AsyncGenerator<string> {
  let last = 0;
  for (const file of await rotatedFiles(fs, logPath, sinceMs)) {
    for await (const { seq, line } of recordsIn(fs, file)) {
      if (seq <= last) continue;
      last = seq;
      if (wanted(line)) yield line;
    }
  }
}

/** The newest `count` of them, the oldest first. Reads no more files than it needs. */
export async function newestOlderLines(
  logPath: string,
  count: number,
  { wanted, sinceMs = Number.NEGATIVE_INFINITY }: OlderRange,
  fs: LogFileSystem = DISK,
): Promise<string[]> {
  let found: string[] = [];
  let first = Number.POSITIVE_INFINITY;
  for (const file of (await rotatedFiles(fs, logPath, sinceMs)).reverse()) {
    const left = count - found.length;
    if (left <= 0) break;
    const kept: string[] = [];
    let firstHere = first;
    for await (const { seq, line } of recordsIn(fs, file)) {
      firstHere = Math.min(firstHere, seq);
      if (seq >= first || !wanted(line)) continue;
      kept.push(line);
      if (kept.length > left) kept.shift();
    }
    first = firstHere;
    found = [...kept, ...found];
  }
  return found;
}

/** The oldest first. */
async function rotatedFiles(fs: LogFileSystem, logPath: string, sinceMs: number): Promise<LogFile[]> {
  const rotated: LogFile[] = [];
  for (const file of (await listLogFiles(fs, logPath)).filter(({ isCurrent }) => !isCurrent)) {
    const stats = await fs.stat(file.path).catch(unless('ENOENT'));
    // logrotate keeps the time of a file that it compresses.
    if (stats !== null && stats.mtimeMs >= sinceMs) rotated.push(file);
  }
  return sortByFirstRecord(fs, rotated);
}

const numberSchema = logRecordSchema.pick({ seq: true });

async function* recordsIn(
  fs: LogFileSystem,
  file: LogFile,
): AsyncGenerator<{ readonly seq: number; readonly line: string }> {
  try {
    for await (const line of readLines(fs, file)) {
      const read = parseLogLine(numberSchema, line);
      if (read !== null) yield { seq: read.seq, line };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

import type { FileHandle } from 'node:fs/promises';
import { type LogFileSystem, unless } from '../process/durable-file.js';
import { logRecordSchema, parseLogLine } from '../protocol/log-record.js';
import { type LogFile, listLogFiles, readLines, withLogFiles } from './log-files.js';
import { readLogTail } from './log-tail.js';
import { lastRotatedPosition, sortByFirstRecord } from './rotated-logs.js';
import { openSearch } from './search-lines.js';

/** A record as it is in the log. */
export interface LoggedLine {
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly ingestedAtMs: number;
  /** The whole line, without the line break. */
  readonly line: string;
}

/**
 * How much is read at a time. A record is never split, and one is read even where it is larger than the
 * limit.
 */
export interface ReadLimits {
  readonly maxRecords: number;
  readonly maxChars: number;
}

/** Whether a record is wanted: false for all records up to some point of the log, true for all after it. */
export type Wanted = (record: LoggedLine) => boolean;

/**
 * Reads the log and its rotated files from the first wanted record on, each number once. The length of
 * the log costs almost nothing, because the start is found by a search. Lines that are not records are
 * skipped, and an incomplete last line is not read. Throws BridgeError `log-busy` or `bad-log` (a
 * rotated file that cannot be unpacked).
 */
export async function readRecordsFrom(
  fs: LogFileSystem,
  logPath: string,
  wanted: Wanted,
  limits: ReadLimits,
): Promise<LoggedLine[]> {
  const current = await fs.open(logPath, 'r').catch(unless('ENOENT'));
  if (current !== null) {
    try {
      const found = await readCurrent(current, wanted, limits);
      if (found !== null) return found;
    } finally {
      await current.close();
    }
  }
  return withLogFiles(fs, logPath, (files) => readSet(fs, files, wanted, limits));
}

/**
 * The number of the newest record, rotated files included; 0 where there is none. Throws
 * BridgeError `bad-log` or `log-busy`.
 */
export async function lastSeqOfLog(fs: LogFileSystem, logPath: string): Promise<number> {
  const current = await fs.open(logPath, 'r').catch(unless('ENOENT'));
  try {
    const tail = current === null ? null : await readLogTail(current, logPath);
    return (tail?.last ?? (await lastRotatedPosition(fs, logPath)))?.seq ?? 0;
  } finally {
    await current?.close();
  }
}

/** A text that changes whenever the log does: with new records, or when a file is renamed. */
export async function markOfLog(fs: LogFileSystem, logPath: string): Promise<string> {
  const files = await listLogFiles(fs, logPath);
  return files.map(({ path, inode, size }) => `${inode} ${size} ${path}`).join('\n');
}

/** Null where the first wanted record may be in a rotated file. */
async function readCurrent(
  handle: FileHandle,
  wanted: Wanted,
  limits: ReadLimits,
): Promise<LoggedLine[] | null> {
  const search = openSearch(handle, (await handle.stat()).size, parseRecord);
  const first = await search.recordAt(0);
  if (first === null || wanted(first.record)) return null;
  const batch = startBatch(limits);
  for (let at = await search.firstThat(wanted); at !== null; at = await search.recordAt(at.end))
    if (!batch.add(at.record)) break;
  return batch.records;
}

async function readSet(
  fs: LogFileSystem,
  files: readonly LogFile[],
  wanted: Wanted,
  limits: ReadLimits,
): Promise<LoggedLine[]> {
  const batch = startBatch(limits);
  const sorted = await sortByFirstRecord(fs, files);
  // Where a file begins with a record that is not wanted, no file before it is needed.
  let start = sorted.length - 1;
  while (start > 0 && !(await beginsBefore(fs, sorted[start], wanted))) start -= 1;
  for (const file of sorted.slice(Math.max(0, start))) {
    for await (const line of readLines(fs, file)) {
      const record = parseRecord(line);
      if (record !== null && wanted(record) && !batch.add(record)) return batch.records;
    }
  }
  return batch.records;
}

async function beginsBefore(fs: LogFileSystem, file: LogFile | undefined, wanted: Wanted): Promise<boolean> {
  if (file === undefined) return false;
  for await (const line of readLines(fs, file)) {
    const record = parseRecord(line);
    if (record !== null) return !wanted(record);
  }
  return false;
}

/** Collects records until the limits are reached. A record that was collected already is skipped. */
function startBatch({ maxRecords, maxChars }: ReadLimits): {
  readonly records: LoggedLine[];
  add(record: LoggedLine): boolean;
} {
  const records: LoggedLine[] = [];
  let chars = 0;
  return {
    records,
    add(record) {
      if (record.seq <= (records.at(-1)?.seq ?? 0)) return true;
      if (records.length > 0 && (records.length >= maxRecords || chars + record.line.length > maxChars))
        return false;
      records.push(record);
      chars += record.line.length;
      return true;
    },
  };
}

const headSchema = logRecordSchema.pick({ seq: true, ingested_at: true });

function parseRecord(line: string): LoggedLine | null {
  const head = parseLogLine(headSchema, line);
  return head === null ? null : { seq: head.seq, ingestedAtMs: Date.parse(head.ingested_at), line };
}

import type { FileHandle } from 'node:fs/promises';
import { type LogFileSystem, unless } from '../process/durable-file.js';
import { logRecordSchema } from '../protocol/log-record.js';
import {
  type LogFile,
  lastRotatedPosition,
  listLogFiles,
  readLines,
  sortByFirstRecord,
  withLogFiles,
} from './log-files.js';
import { readLogTail } from './log-tail.js';
import { openSearch } from './search-lines.js';

/** A record as it stands in the log. */
export interface LoggedLine {
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly ingestedAtMs: number;
  /** All of it, without the line break. */
  readonly line: string;
}

/** How much is read at a time. A record is always whole, and there is always one where there is any. */
export interface ReadLimits {
  readonly maxRecords: number;
  readonly maxChars: number;
}

/** Says of a record whether it is wanted: false up to some record of the log, true from there on. */
export type Wanted = (record: LoggedLine) => boolean;

/**
 * Reads the log, with what was rotated away, from its first wanted record on, each number once. How long the log is costs next to nothing: the
 * start is searched for. Lines that are no records are passed over, and the last one is not read before it is whole.
 * Throws BridgeError `log-busy` or `bad-log` (a rotated file that cannot be unpacked).
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

/** The number of the newest record, rotated away or not; 0 where there is none. Throws BridgeError `bad-log` or `log-busy`. */
export async function lastSeqOfLog(fs: LogFileSystem, logPath: string): Promise<number> {
  const current = await fs.open(logPath, 'r').catch(unless('ENOENT'));
  try {
    const tail = current === null ? null : await readLogTail(current, logPath);
    return (tail?.last ?? (await lastRotatedPosition(fs, logPath)))?.seq ?? 0;
  } finally {
    await current?.close();
  }
}

/** What changes whenever the log does: records come, or a file is renamed. */
export async function markOfLog(fs: LogFileSystem, logPath: string): Promise<string> {
  const files = await listLogFiles(fs, logPath);
  return files.map(({ path, inode, size }) => `${inode} ${size} ${path}`).join('\n');
}

/** Null where what is wanted may begin in a file that was rotated away. */
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
  // What begins with a record that is not wanted makes all files before it superfluous.
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

/** Takes records until there are enough; what has come before is not taken again. */
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
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const head = headSchema.safeParse(value);
  if (!head.success) return null;
  return { seq: head.data.seq, ingestedAtMs: Date.parse(head.data.ingested_at), line };
}

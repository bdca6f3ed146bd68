import type { LogFileSystem } from '../process/durable-file.js';
import { type LogFile, readLines, withLogFiles } from './log-files.js';
import { type LoggedPosition, lastPosition, parsePosition, readLogTail } from './log-tail.js';

/**
 * Sorts the files by their first record: unreadable files come near the end, the current file comes last.
 */
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
 * The newest record in the rotated files; null where they have none. An empty log continues after it. Where
 * somebody removed the file with the newest records, these are written again with the same numbers. Throws
 * BridgeError `bad-log` where a file ends with something that is not a record.
 */
export function lastRotatedPosition(fs: LogFileSystem, logPath: string): Promise<LoggedPosition | null> {
  return withLogFiles(fs, logPath, async (files) => {
    let newest: LoggedPosition | null = null;
    for (const file of files.filter((one) => !one.isCurrent && !one.isCompressed)) {
      const last = await lastPositionIn(fs, file);
      if (last !== null && last.seq > (newest?.seq ?? 0)) newest = last;
    }
    // To find the end of a compressed file, all of it must be read. So only the file that begins latest is
    // read.
    let latest: { file: LogFile; seq: number } | null = null;
    for (const file of files.filter((one) => !one.isCurrent && one.isCompressed)) {
      const first = await firstPositionIn(fs, file);
      if (first !== null && first.seq > (latest?.seq ?? newest?.seq ?? 0)) latest = { file, seq: first.seq };
    }
    return latest === null ? newest : lastPositionIn(fs, latest.file);
  });
}

/** The first line of a file that is a record; null where no line is. */
async function firstPositionIn(fs: LogFileSystem, file: LogFile): Promise<LoggedPosition | null> {
  for await (const line of readLines(fs, file)) {
    const position = parsePosition(line);
    if (position !== null) return position;
  }
  return null;
}

/**
 * The last record of a file, without the torn bytes after it; null where the file has no complete
 * line. Throws BridgeError `bad-log`.
 */
async function lastPositionIn(fs: LogFileSystem, file: LogFile): Promise<LoggedPosition | null> {
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

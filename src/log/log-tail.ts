import type { FileHandle } from 'node:fs/promises';
import { BridgeError } from '../protocol/bridge-error.js';
import { logRecordSchema, parseLogLine } from '../protocol/log-record.js';

/** How much of the end of the log is read at a time. One record is usually far smaller. */
const BLOCK_BYTES = 64 * 1024;

/** The position of a record in history. */
export interface LoggedPosition {
  readonly seq: number;
  readonly commit: string;
}

/** The end of the log. */
export interface LogTail {
  /** The last complete record; null where there is none. */
  readonly last: LoggedPosition | null;
  /** The offset after the last complete line. */
  readonly endOfLines: number;
  /** The bytes after that: a line that was cut off while it was written. Usually empty. */
  readonly torn: Buffer;
}

/**
 * Reads the end of a log file backwards, so that the length of the file costs nothing. Throws
 * BridgeError `bad-log` where the last complete line is not a record: a crash of ours can only leave
 * an incomplete line at the very end.
 */
export async function readLogTail(handle: FileHandle, file: string): Promise<LogTail> {
  const { size } = await handle.stat();
  let start = size;
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const endOfLast = bytes.lastIndexOf(0x0a);
    const startOfLast = endOfLast <= 0 ? -1 : bytes.lastIndexOf(0x0a, endOfLast - 1);
    if (start === 0 || startOfLast >= 0) {
      const line = endOfLast < 0 ? null : bytes.toString('utf8', startOfLast + 1, endOfLast);
      return {
        last: line === null ? null : lastPosition(line, file),
        endOfLines: start + endOfLast + 1,
        torn: Buffer.from(bytes.subarray(endOfLast + 1)),
      };
    }
    const length = Math.min(start, Math.max(BLOCK_BYTES, bytes.length));
    const block = Buffer.alloc(length);
    await readWhole(handle, block, start - length);
    start -= length;
    bytes = Buffer.concat([block, bytes]);
  }
}

/**
 * Reads until the buffer is full: one read may return less than was asked for, as one write may take less.
 */
async function readWhole(handle: FileHandle, into: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new Error('answers.log was cut while it was read');
    done += bytesRead;
  }
}

const positionSchema = logRecordSchema.pick({ seq: true, commit: true });

/** The position of the record on a line; null where the line is not a record. */
export function parsePosition(line: string): LoggedPosition | null {
  return parseLogLine(positionSchema, line);
}

/** The same for the last line of a file. Throws BridgeError `bad-log`, which names the file. */
export function lastPosition(line: string, file: string): LoggedPosition {
  const position = parsePosition(line);
  if (position !== null) return position;
  throw new BridgeError(`the last line of ${file} is not a record`, {
    code: 'bad-log',
    remedy: '"llm-bridge ingest --rebuild" writes the log again from history and keeps this file aside',
  });
}

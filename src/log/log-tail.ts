import type { FileHandle } from 'node:fs/promises';
import { BridgeError } from '../protocol/bridge-error.js';
import { logRecordSchema } from '../protocol/log-record.js';

/** How much of the end of the log is read at a time; one record is usually far smaller. */
const BLOCK_BYTES = 64 * 1024;

/** Where in history a record stands. */
export interface LogPosition {
  readonly seq: number;
  readonly commit: string;
}

/** Where the log ends. */
export interface LogTail {
  /** The last whole record; null where there is none. */
  readonly last: LogPosition | null;
  /** The offset behind the last whole line. */
  readonly endOfLines: number;
  /** Bytes behind that: a line that was cut off while it was written. Empty otherwise. */
  readonly torn: Buffer;
}

/**
 * Reads the end of a log file, from the back, so that its length costs nothing. Throws BridgeError `bad-log` where the
 * last whole line is no record: only a line cut off at the very end can come from a crash of ours.
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

/** A read may bring less than was asked for, as a write may take less. */
async function readWhole(handle: FileHandle, into: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new Error('answers.log was cut while it was read');
    done += bytesRead;
  }
}

const positionSchema = logRecordSchema.pick({ seq: true, commit: true });

/** Where the record on a line stands; null where it is none. */
export function parsePosition(line: string): LogPosition | null {
  try {
    return positionSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

/** The same of the last line of a file. Throws BridgeError `bad-log`, which names the file. */
export function lastPosition(line: string, file: string): LogPosition {
  const position = parsePosition(line);
  if (position !== null) return position;
  throw new BridgeError(`the last line of ${file} is not a record`, {
    code: 'bad-log',
    remedy: '"llm-bridge ingest --rebuild" writes the log anew from history and keeps this file aside',
  });
}

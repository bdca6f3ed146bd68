import { type FileHandle, open } from 'node:fs/promises';
import { BridgeError } from '../protocol/bridge-error.js';
import { logRecordSchema } from '../protocol/log-record.js';

/** How much of the end of the log is read at a time; one record is usually far smaller. */
const BLOCK_BYTES = 64 * 1024;

/** Where the log ends. */
export interface LogTail {
  /** The last whole record; null where there is none. */
  readonly last: { readonly seq: number; readonly commit: string } | null;
  /** The offset behind the last whole line. */
  readonly endOfLines: number;
  /** Bytes behind that: a line that was cut off while it was written. Empty otherwise. */
  readonly torn: Buffer;
}

/**
 * Reads the end of `answers.log`, from the back, so that its length costs nothing. Throws BridgeError `bad-log` where the
 * last whole line is no record: only a line cut off at the very end can come from a crash of ours.
 */
export async function readLogTail(handle: FileHandle): Promise<LogTail> {
  const { size } = await handle.stat();
  let start = size;
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const endOfLast = bytes.lastIndexOf(0x0a);
    const startOfLast = endOfLast <= 0 ? -1 : bytes.lastIndexOf(0x0a, endOfLast - 1);
    if (start === 0 || startOfLast >= 0) {
      const line = endOfLast < 0 ? null : bytes.toString('utf8', startOfLast + 1, endOfLast);
      return {
        last: line === null ? null : readLast(line),
        endOfLines: start + endOfLast + 1,
        torn: Buffer.from(bytes.subarray(endOfLast + 1)),
      };
    }
    const length = Math.min(start, Math.max(BLOCK_BYTES, bytes.length));
    const block = Buffer.alloc(length);
    const { bytesRead } = await handle.read(block, 0, length, start - length);
    if (bytesRead !== length) throw new Error('answers.log was cut while it was read');
    start -= length;
    bytes = Buffer.concat([block, bytes]);
  }
}

/** The last record of the log file at this path, or null where there is no file or no record yet. */
export async function readLastRecord(file: string): Promise<LogTail['last']> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return null;
  try {
    return (await readLogTail(handle)).last;
  } finally {
    await handle.close();
  }
}

const lastFieldsSchema = logRecordSchema.pick({ seq: true, commit: true });

function readLast(line: string): LogTail['last'] {
  try {
    return lastFieldsSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new BridgeError('the last line of answers.log is not a record', {
      code: 'bad-log',
      remedy: 'move the file away; "llm-bridge ingest" writes it anew from history',
      cause,
    });
  }
}

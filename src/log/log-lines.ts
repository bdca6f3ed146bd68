import { pipeline } from 'node:stream';
import { BridgeError } from '../protocol/bridge-error.js';
import type { LogFileSystem } from '../process/file-system.js';
import type { LogFile } from './log-files.js';
import { type LogPosition, lastPosition, parsePosition, readLogTail } from './log-tail.js';

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

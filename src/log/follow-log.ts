import { type FileHandle, open } from 'node:fs/promises';
import { createNotifier } from '../bridge/notifier.js';
import { watchPath } from '../bridge/watch-path.js';
import { BridgeError } from '../protocol/bridge-error.js';

/** How much of the log is read at a time. */
const CHUNK_BYTES = 256 * 1024;

/** Which lines of the log to read. */
export interface FollowOptions {
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** Of the lines that are there, only the last so many. */
  readonly newest?: number | undefined;
  /** Only these lines; `newest` counts them alone. Default: all. */
  readonly wanted?: ((line: string) => boolean) | undefined;
}

/**
 * Yields the lines of `answers.log` without their line breaks: all of them, or those that are asked for. With
 * `follow` it also yields later lines until the signal aborts, and starts at the new file when the log is
 * rotated. A line that is still being written is not yielded until it is complete. Throws BridgeError
 * `no-log` where the file cannot be read.
 */
export async function* readLogLines(file: string, options: FollowOptions): AsyncGenerator<string> {
  const { newest, wanted } = options;
  const notifier = createNotifier();
  // Opened first, so that a log that cannot be read is not watched.
  let reader = await openLines(file, wanted === undefined ? newest : undefined);
  const ring = () => notifier.ring();
  const watcher = options.follow ? watchPath(file, { change: ring, ready: ring }) : null;
  try {
    if (wanted !== undefined && newest !== undefined) yield* lastOf(reader.lines(), wanted, newest);
    for (;;) {
      yield* thoseOf(reader.lines(), wanted);
      if (!options.follow || options.signal.aborted) return;
      await notifier.wait(Number.POSITIVE_INFINITY, options.signal);
      if (options.signal.aborted) return;
      const next = (await reader.isReplaced(file)) ? await reopen(file) : null;
      if (next !== null) {
        // Lines written between the last read and the rename are still in the old file.
        yield* thoseOf(reader.lines(), wanted);
        await reader.close();
        reader = next;
      }
    }
  } finally {
    await reader.close();
    await watcher?.close();
  }
}

async function* thoseOf(
  lines: AsyncIterable<string>,
  wanted: FollowOptions['wanted'],
): AsyncGenerator<string> {
  for await (const line of lines) if (wanted === undefined || wanted(line)) yield line;
}

/** The last `count` wanted lines of those that are there now. */
async function* lastOf(
  lines: AsyncIterable<string>,
  wanted: (line: string) => boolean,
  count: number,
): AsyncGenerator<string> {
  const kept: string[] = [];
  for await (const line of thoseOf(lines, wanted)) {
    kept.push(line);
    if (kept.length > count) kept.shift();
  }
  yield* kept;
}

async function openLines(file: string, newest?: number) {
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new BridgeError(`cannot read ${file} (${cause.code ?? cause.message})`, {
      code: 'no-log',
      remedy:
        cause.code === 'EACCES'
          ? 'ask its owner to put you into the group of the file, or read over SSH with --repo ssh://…'
          : 'llm-bridge ingest writes it from history',
      cause,
    });
  });
  const { ino, size } = await handle.stat();
  let offset = newest === undefined ? 0 : await startOfNewest(handle, size, newest);
  let rest = Buffer.alloc(0);
  return {
    async *lines(): AsyncGenerator<string> {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, offset);
        if (bytesRead === 0) return;
        offset += bytesRead;
        let data = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        for (let end = data.indexOf(0x0a); end >= 0; end = data.indexOf(0x0a)) {
          yield data.toString('utf8', 0, end);
          data = data.subarray(end + 1);
        }
        rest = Buffer.from(data);
      }
    },
    async isReplaced(path: string): Promise<boolean> {
      const now = await open(path, 'r').catch(() => null);
      const stats = await now?.stat();
      await now?.close();
      return stats !== undefined && (stats.ino !== ino || stats.size < offset);
    },
    close: () => handle.close(),
  };
}

/** The log that has come to its place; null where it has gone again, as while a folder is exchanged. */
async function reopen(file: string) {
  return openLines(file).catch((error: unknown) => {
    const { code } = ((error as BridgeError).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw error;
  });
}

/**
 * The offset where the last `count` complete lines begin. Reads the file backwards, only as far as needed.
 */
async function startOfNewest(handle: FileHandle, size: number, count: number): Promise<number> {
  let left = count;
  for (let end = size; end > 0; end -= CHUNK_BYTES) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
    for (
      let at = buffer.lastIndexOf(0x0a, bytesRead - 1);
      at >= 0;
      at = at === 0 ? -1 : buffer.lastIndexOf(0x0a, at - 1)
    ) {
      if (left === 0) return start + at + 1;
      left -= 1;
    }
  }
  return 0;
}

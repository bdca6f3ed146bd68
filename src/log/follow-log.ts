import { type FileHandle, open } from 'node:fs/promises';
import { createNotifier } from '../bridge/notifier.js';
import { watchPath } from '../bridge/watch-path.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { logRecordSchema, parseLogLine } from '../protocol/log-record.js';
import { openSearch } from './search-lines.js';

/** How much of the log is read at a time. */
const CHUNK_BYTES = 256 * 1024;

/** Which lines of the log to read. */
export interface FollowOptions {
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** Of the lines that are there, only this many: the newest. */
  readonly newest?: number | undefined;
  /** Only these lines; `newest` counts them alone. Default: all. */
  readonly wanted?: ((line: string) => boolean) | undefined;
  /** Nothing that was added to the log before this is wanted. Milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
}

/**
 * Yields the lines of `answers.log` without their line breaks: all of them, or those that are asked for.
 * With `follow` it also yields later lines until the signal aborts, and starts at the new file when the log
 * is rotated. A line that is still being written is not yielded until it is complete. Throws BridgeError
 * `no-log` where the file cannot be read.
 */
export async function* readLogLines(file: string, options: FollowOptions): AsyncGenerator<string> {
  const { wanted } = options;
  const notifier = createNotifier();
  // Opened first, so that a log that cannot be read is not watched.
  let reader = await openLines(file, (handle, size) => startOf(handle, size, options));
  const ring = () => notifier.ring();
  const watcher = options.follow ? watchPath(file, { change: ring, ready: ring }) : null;
  try {
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

async function openLines(
  file: string,
  start: (handle: FileHandle, size: number) => Promise<number> = fromStart,
) {
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
  let offset = await start(handle, size).catch(async (error: unknown) => {
    await handle.close();
    throw error;
  });
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

/** Opens the log that took its place; null where that is gone again, as while a folder is replaced. */
async function reopen(file: string) {
  return openLines(file).catch((error: unknown) => {
    const { code } = ((error as BridgeError).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw error;
  });
}

const fromStart = async () => 0;

/**
 * The offset at which the wanted lines begin. A search finds a time; the newest lines are counted from the
 * end.
 */
async function startOf(
  handle: FileHandle,
  size: number,
  { newest, wanted, sinceMs }: FollowOptions,
): Promise<number> {
  const first = sinceMs === undefined ? 0 : await startOfTime(handle, size, sinceMs);
  if (newest === undefined) return first;
  if (newest === 0) return size;
  let left = newest;
  for await (const { line, start } of linesBackwards(handle, { from: first, to: size })) {
    if (wanted === undefined || wanted(line.toString('utf8'))) left -= 1;
    if (left === 0) return start;
  }
  return first;
}

const timeSchema = logRecordSchema.pick({ ingested_at: true });

/** The offset of the first record that was added to the log at that time or later; `size` where none was. */
async function startOfTime(handle: FileHandle, size: number, sinceMs: number): Promise<number> {
  const search = openSearch(handle, size, (line) => {
    const read = parseLogLine(timeSchema, line);
    return read === null ? null : { atMs: Date.parse(read.ingested_at), bytes: Buffer.byteLength(line) + 1 };
  });
  const found = await search.firstThat(({ atMs }) => atMs >= sinceMs);
  return found === null ? size : found.end - found.record.bytes;
}

/**
 * The complete lines between two offsets, the last one first. Keeps no more in memory than one line and one
 * chunk.
 */
async function* linesBackwards(
  handle: FileHandle,
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<{ readonly line: Buffer; readonly start: number }> {
  // The parts of a line that begins before what was read, in their order.
  let parts: Buffer[] = [];
  let isComplete = false;
  for (let end = to; end > from; ) {
    const start = Math.max(from, end - CHUNK_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
    const block = buffer.subarray(0, bytesRead);
    let upTo = block.length;
    for (let at = block.lastIndexOf(0x0a); at >= 0; at = at === 0 ? -1 : block.lastIndexOf(0x0a, at - 1)) {
      // What stands behind the last line break is still being written.
      if (isComplete)
        yield { line: Buffer.concat([block.subarray(at + 1, upTo), ...parts]), start: start + at + 1 };
      isComplete = true;
      parts = [];
      upTo = at;
    }
    parts.unshift(block.subarray(0, upTo));
    end = start;
  }
  if (isComplete) yield { line: Buffer.concat(parts), start: from };
}

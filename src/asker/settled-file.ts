import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../protocol/bridge-error.js';

/** What a file holds: its bytes where they may be a task, else only how many there are, and their hash. */
export interface FileContent {
  /** SHA-256, 64 hex digits, by which the writer of the file knows it. */
  readonly hash: string;
  readonly bytes: Buffer | null;
  readonly size: number;
}

/** How a file is read. */
export interface SettleOptions {
  /**
   * A change counts once the file was left alone for this long, so that a slow writer is not cut in half.
   */
  readonly settleMs: number;
  /** The most bytes of a task in UTF-8. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Reads a file once it was left alone for `settleMs`; null where there is none. Throws what the disk says,
 * the signal's reason, and BridgeError `watch-failed` (retryable) where a folder or a pipe is in its place.
 */
export async function readSettled(file: string, options: SettleOptions): Promise<FileContent | null> {
  const { settleMs, signal } = options;
  for (;;) {
    const before = await statFile(file);
    if (before === null) return null;
    if (!before.isFile()) throw notAFile(file);
    // ctime, not mtime, which a copy may keep from long ago. A date in the future (a file server's clock)
    // says nothing about the age.
    const ageMs = Date.now() - before.ctimeMs;
    const restMs = ageMs >= 0 ? settleMs - ageMs : settleMs;
    if (restMs > 0) await sleep(Math.ceil(restMs), undefined, { signal });
    const content = await readContent(file, options).catch(absent);
    const after = await statFile(file);
    if (content !== null && after !== null && isSame(before, after)) return content;
  }
}

/** The longest byte order mark that is taken off a text, in bytes. */
const MARK_BYTES = 3;

/**
 * Reads a file, and of one that is too large only the hash: it may be larger than the memory. UTF-16 has at
 * most two bytes where UTF-8 has one.
 */
async function readContent(file: string, { maxBytes, signal }: SettleOptions): Promise<FileContent> {
  const sum = createHash('sha256');
  let size = 0;
  let chunks: Buffer[] | null = [];
  for await (const chunk of createReadStream(file, { signal }) as AsyncIterable<Buffer>) {
    sum.update(chunk);
    size += chunk.length;
    if (size > 2 * maxBytes + MARK_BYTES) chunks = null;
    chunks?.push(chunk);
  }
  return { hash: sum.digest('hex'), bytes: chunks === null ? null : Buffer.concat(chunks), size };
}

async function statFile(file: string): Promise<Stats | null> {
  return stat(file).catch(absent);
}

/**
 * Between a remove and the rename that replaces the file there is none; the rename is an event of its own.
 */
function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

function isSame(a: Stats, b: Stats): boolean {
  return a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.size === b.size && a.ino === b.ino;
}

function notAFile(file: string): BridgeError {
  return new BridgeError(`${file} is no plain file`, {
    code: 'watch-failed',
    remedy: 'put a file there; it is looked at again',
    retryable: true,
  });
}

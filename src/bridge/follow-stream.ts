import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTied } from '../process/start-tied.js';
import { type StreamPiece, StreamReader } from '../protocol/stream.js';
import type { BridgeConnection } from './connection.js';
import { createNotifier } from './notifier.js';
import { onlyShared, type SshConnection, sshWords } from './run-ssh.js';
import { streamFile } from './stream-folder.js';
import { watchPath } from './watch-path.js';

/** Waits between tries to listen again: at first half a second, then twice as long, at most half a minute. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** A session that lasted so long did not fail: the server ends each after ten minutes. Milliseconds. */
const LONG_SESSION_MS = 60_000;

/** As much of a file is read at a time. Bytes. */
const CHUNK_BYTES = 65_536;

/**
 * Follows the stream of a task from its beginning, waits for one that is not there yet, and ends after its
 * `end`. `begin` may come again: what came before it is void then. Ends without `end` when the signal aborts.
 * Never throws: where the way to the bridge breaks it tries again and goes on where it was, and where there
 * can be no stream it ends at once. So the caller waits for the answer beside it, and aborts it then.
 */
export async function* followStream(
  connection: BridgeConnection,
  task: string,
  signal: AbortSignal,
): AsyncGenerator<StreamPiece, void, undefined> {
  const { address, ssh } = connection;
  if (address.kind === 'local') yield* untilEnd(followFile(streamFile(address.url, task), signal));
  else if (ssh !== null) yield* untilEnd(followOverSsh(ssh, task, signal));
}

async function* untilEnd(pieces: AsyncGenerator<StreamPiece>): AsyncGenerator<StreamPiece, void, undefined> {
  for await (const piece of pieces) {
    yield piece;
    if ('end' in piece) return;
  }
}

/** On this machine: reads on at every event of the file, and starts over where another took its name. */
async function* followFile(file: string, signal: AbortSignal): AsyncGenerator<StreamPiece> {
  const notifier = createNotifier();
  const ring = () => notifier.ring();
  const watch = watchPath(file, { change: ring, ready: ring });
  const reader = new StreamReader();
  let open: OpenedFile | null = null;
  try {
    while (!signal.aborted) {
      const now = await identityOf(file);
      if (now !== null && now !== open?.identity) {
        await open?.handle.close();
        reader.startOver();
        open = await openStream(file);
      }
      for (let bytes = await nextOf(open); bytes.length > 0; bytes = await nextOf(open)) {
        yield* reader.read(bytes);
        if (signal.aborted) return;
      }
      await notifier.wait(MAX_DELAY_MS, signal);
    }
  } finally {
    await open?.handle.close();
    await watch.close();
  }
}

interface OpenedFile {
  readonly handle: FileHandle;
  readonly identity: string;
}

/** Null where there is none, or it is no plain file: a link could lead anywhere, and a FIFO would hang. */
async function openStream(file: string): Promise<OpenedFile | null> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
  const stats = await handle?.stat({ bigint: true });
  if (handle && stats?.isFile()) return { handle, identity: describe(stats) };
  await handle?.close();
  return null;
}

async function identityOf(file: string): Promise<string | null> {
  const stats = await lstat(file, { bigint: true }).catch(() => null);
  return stats?.isFile() ? describe(stats) : null;
}

/** An inode's number is used again, its time of birth is not. */
function describe(stats: {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly birthtimeNs: bigint;
}): string {
  return `${stats.dev} ${stats.ino} ${stats.birthtimeNs}`;
}

async function nextOf(file: OpenedFile | null): Promise<Uint8Array> {
  if (file === null) return new Uint8Array();
  const { buffer, bytesRead } = await file.handle.read({ buffer: Buffer.alloc(CHUNK_BYTES) });
  return buffer.subarray(0, bytesRead);
}

/** Elsewhere: by `bridge-listen`, again and again until the signal aborts. */
async function* followOverSsh(
  connection: SshConnection,
  task: string,
  signal: AbortSignal,
): AsyncGenerator<StreamPiece> {
  const place = new PlaceInStream();
  for (let failures = 0; !signal.aborted; failures += 1) {
    if (failures > 0) await pause(failures, signal);
    try {
      await connection.shared?.ready(signal);
    } catch {
      continue;
    }
    if (signal.aborted) return;
    const words = sshWords(connection, onlyShared(connection), `bridge-listen ${task}`);
    const startedAt = performance.now();
    const { child, end } = startTied(words, { env: connection.env });
    const stop = () => void end();
    child.on('error', () => {});
    child.stderr?.resume();
    signal.addEventListener('abort', stop, { once: true });
    const reader = new StreamReader();
    place.readAgain();
    try {
      for await (const bytes of child.stdout as Readable) {
        failures = 0;
        for (const piece of reader.read(bytes as Buffer)) if (place.isNew(piece)) yield piece;
      }
    } catch {
      // It broke; the next try says whether it stays so.
    } finally {
      signal.removeEventListener('abort', stop);
      child.stdout?.destroy();
      child.stderr?.destroy();
      await end();
    }
    if (performance.now() - startedAt > LONG_SESSION_MS) failures = 0;
  }
}

async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), MAX_DELAY_MS) * (0.5 + Math.random() / 2);
  await sleep(delayMs, undefined, { signal }).catch(() => {});
}

/** Where a reader is in a stream. A session begins at the beginning, also where it continues another one. */
class PlaceInStream {
  #begin: string | null = null;
  #read = 0;
  #isFirst = true;
  #toSkip = 0;

  /** The next piece is the first of the file. */
  readAgain(): void {
    this.#isFirst = true;
    this.#toSkip = 0;
  }

  /** Whether the caller has not had this piece yet. */
  isNew(piece: StreamPiece): boolean {
    const begin = 'begin' in piece ? JSON.stringify(piece.begin) : null;
    if (this.#isFirst && begin !== null && begin === this.#begin) this.#toSkip = this.#read;
    else if (begin !== null && this.#toSkip === 0) {
      this.#begin = begin;
      this.#read = 0;
    }
    this.#isFirst = false;
    if (this.#toSkip > 0) {
      this.#toSkip -= 1;
      return false;
    }
    this.#read += 1;
    return true;
  }
}

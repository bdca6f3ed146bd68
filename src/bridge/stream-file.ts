import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { type StreamPiece, StreamReader } from '../protocol/stream.js';

/** How much of a file is read at a time. Bytes. */
const CHUNK_BYTES = 65_536;

/**
 * Reads the file of a stream on this machine as it grows, and starts over where another took its name. A
 * file that was removed is read to its end.
 */
export class StreamFile {
  readonly #path: string;
  readonly #reader = new StreamReader();
  #open: { readonly handle: FileHandle; readonly identity: string } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** The next pieces; null where nothing more is there now. One call at a time. */
  async read(): Promise<StreamPiece[] | null> {
    for (;;) {
      const bytes = await this.#nextBytes();
      if (bytes.length > 0) return this.#reader.read(bytes);
      // The old file is read to its end first.
      const now = await identityOf(this.#path);
      if (now === null || now === this.#open?.identity) return null;
      const before = this.#open;
      this.#open = await openStream(this.#path);
      await before?.handle.close();
      this.#reader.startOver();
      if (this.#open === null) return null;
    }
  }

  async close(): Promise<void> {
    const { handle } = this.#open ?? {};
    this.#open = null;
    await handle?.close();
  }

  async #nextBytes(): Promise<Uint8Array> {
    if (this.#open === null) return new Uint8Array();
    const { buffer, bytesRead } = await this.#open.handle.read({ buffer: Buffer.allocUnsafe(CHUNK_BYTES) });
    return buffer.subarray(0, bytesRead);
  }
}

/** Null where there is none, or it is no plain file: a link could lead anywhere, and a FIFO would hang. */
async function openStream(file: string): Promise<{ handle: FileHandle; identity: string } | null> {
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

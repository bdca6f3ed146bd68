import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { GROUP_MODES } from '../process/group-files.js';
import { PieceEncoder } from '../protocol/piece-encoder.js';
import type { StreamPiece } from '../protocol/stream.js';
import { readBridgeSettings } from './bridge-settings.js';
import { type StreamPlace, streamFile, takeStreamPlace } from './stream-folder.js';

/**
 * How often a place is asked for while all are taken. Other streams end, and what is written meanwhile is
 * kept. Milliseconds.
 */
const RETRY_MS = 1_000;

/** A stream with more than this waiting for a place is given up. Bytes. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** Writes the stream of a task on this machine: see `StreamWriter`. */
export class StreamFileWriter {
  readonly #encoder = new PieceEncoder();
  readonly #signal: AbortSignal | undefined;
  /** Each write waits for the one before. */
  #last: Promise<FileHandle | null>;
  #leave: (() => Promise<void>) | null = null;
  #roomBytes = 0;
  /** What was written before there was a file; null since there is one. */
  #waitingBytes: number | null = 0;
  readonly #closing = new AbortController();
  #isOver = false;

  constructor(
    repo: { readonly gitDir: string; readonly env: NodeJS.ProcessEnv },
    task: string,
    signal: AbortSignal | undefined,
  ) {
    this.#signal = signal;
    this.#last = this.#open(repo, task).catch(() => null);
  }

  write(piece: StreamPiece): void {
    if (this.#isOver) return;
    const bytes = this.#encoder.encode(piece);
    if (this.#waitingBytes !== null) this.#waitingBytes += bytes.length;
    if ((this.#waitingBytes ?? 0) > MAX_WAITING_BYTES) this.#giveUp();
    else this.#last = this.#last.then((file) => this.#append(file, bytes));
  }

  async close(): Promise<void> {
    this.#giveUp();
    const file = await this.#last;
    await file?.close().catch(() => {});
    await this.#leave?.().catch(() => {});
    this.#leave = null;
  }

  /** Takes no more pieces, and waits for a place no longer. */
  #giveUp(): void {
    this.#isOver = true;
    this.#closing.abort();
  }

  async #open(
    repo: { readonly gitDir: string; readonly env: NodeJS.ProcessEnv },
    task: string,
  ): Promise<FileHandle | null> {
    const [place, maxStreamBytes] = await Promise.all([
      this.#takePlace(repo.gitDir, task),
      // A failure is dealt with below, where the place can be given back.
      readMaxStreamBytes(repo).catch(() => null),
    ]);
    if (place === null) return null;
    this.#leave = () => place.leave();
    if (maxStreamBytes === null) return null;
    this.#roomBytes = maxStreamBytes;
    this.#waitingBytes = null;
    const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND } = constants;
    const file = await open(place.draft, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, GROUP_MODES.file);
    try {
      // Before the first line: readers see each line as it comes.
      await rename(place.draft, streamFile(repo.gitDir, task));
      return file;
    } catch (error) {
      await file.close();
      await rm(place.draft, { force: true });
      throw error;
    }
  }

  /** Null where none became free before the stream was over. */
  async #takePlace(gitDir: string, task: string): Promise<StreamPlace | null> {
    const signal = AbortSignal.any([this.#closing.signal, ...(this.#signal ? [this.#signal] : [])]);
    for (;;) {
      const place = await takeStreamPlace(gitDir, task);
      if (place !== null || signal.aborted) return place;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #append(file: FileHandle | null, bytes: Buffer): Promise<FileHandle | null> {
    if (file === null) return null;
    this.#roomBytes -= bytes.length;
    try {
      if (this.#signal?.aborted || this.#roomBytes < 0) throw new Error('no more of this stream');
      await file.appendFile(bytes);
      return file;
    } catch {
      this.#isOver = true;
      await file.close().catch(() => {});
      return null;
    }
  }
}

/** The readings that are under way, by the folder of the bridge. */
const reading = new Map<string, Promise<number>>();

/**
 * The limit of a stream. A git reads it, and two hundred streams that begin at once would start two hundred,
 * so they share one. Where it fails it is asked once more, because a system may have no more processes for a
 * moment.
 */
function readMaxStreamBytes(repo: {
  readonly gitDir: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<number> {
  const { gitDir } = repo;
  const now =
    reading.get(gitDir) ??
    readBridgeSettings(repo)
      .catch(() => readBridgeSettings(repo))
      .then(({ maxStreamBytes }) => maxStreamBytes)
      .finally(() => reading.delete(gitDir));
  reading.set(gitDir, now);
  return now;
}

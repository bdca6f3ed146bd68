import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamPiece } from '../protocol/stream.js';
import { StreamFile } from './stream-file.js';
import { STREAMS_FOLDER, streamFile } from './stream-folder.js';
import { type FolderWatch, watchByChokidar } from './watch-path.js';

/** Follows the streams of many tasks. */
export interface FollowedStreams {
  /** Follows the stream of a task from its beginning, also where there is none yet. */
  follow(task: string): void;
  leave(task: string): void;
  close(): Promise<void>;
}

/** How often each file is looked at, whatever the events say, and the watch is checked. Milliseconds. */
const POLL_MS = 2_000;

/**
 * After a read that brought text, a file is left alone for this time, however often it grows. Milliseconds.
 */
const REST_MS = 10;

interface Followed {
  readonly file: StreamFile;
  isReading: boolean;
  isNews: boolean;
}

/**
 * Follows streams on this machine by one watch of their folder: a watch for each of 200 files would hear of
 * every line in all of them. `take` gets each piece, and must not throw.
 */
export class FolderStreams implements FollowedStreams {
  readonly #gitDir: string;
  readonly #folder: string;
  readonly #take: (task: string, piece: StreamPiece) => void;
  readonly #followed = new Map<string, Followed>();
  #watch: { readonly watcher: FolderWatch; readonly identity: string } | null = null;
  #opening: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(gitDir: string, take: (task: string, piece: StreamPiece) => void) {
    this.#gitDir = gitDir;
    this.#folder = path.join(gitDir, STREAMS_FOLDER);
    this.#take = take;
  }

  follow(task: string): void {
    if (this.#isClosed || this.#followed.has(task)) return;
    const file = new StreamFile(streamFile(this.#gitDir, task));
    this.#followed.set(task, { file, isReading: false, isNews: false });
    this.#look(task);
    if (this.#timer === null) this.#poll();
  }

  leave(task: string): void {
    const one = this.#followed.get(task);
    this.#followed.delete(task);
    // A read that is under way closes it when it ends.
    if (one?.isReading === false) one.file.close().catch(() => {});
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const task of [...this.#followed.keys()]) this.leave(task);
    await this.#opening;
    await this.#watch?.watcher.close();
  }

  #poll(): void {
    this.#opening ??= this.#keepWatch().finally(() => {
      this.#opening = null;
    });
    for (const task of this.#followed.keys()) this.#look(task);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.#isClosed && this.#followed.size > 0) this.#poll();
    }, POLL_MS);
    this.#timer.unref();
  }

  /**
   * Opens the watch, and opens it again where it failed or the folder was made anew. On a share it may bring
   * no events at all.
   */
  async #keepWatch(): Promise<void> {
    const stats = await lstat(this.#folder).catch(() => null);
    const identity = stats === null ? '' : `${stats.dev} ${stats.ino}`;
    if (this.#watch?.identity === identity) return;
    await this.#watch?.watcher.close();
    this.#watch = null;
    if (stats === null) return;
    try {
      const watcher = await watchByChokidar(this.#folder, (_event, name) => {
        for (const task of name === null ? this.#followed.keys() : [name]) this.#look(task);
      });
      watcher.on('error', () => {
        this.#watch = null;
      });
      this.#watch = { watcher, identity };
      // What came while it was opened had no event.
      for (const task of this.#followed.keys()) this.#look(task);
    } catch {
      // No watches are left; the poll goes on.
    }
  }

  #look(task: string): void {
    const one = this.#followed.get(task);
    if (one === undefined) return;
    one.isNews = true;
    if (!one.isReading) void this.#read(task, one);
  }

  async #read(task: string, one: Followed): Promise<void> {
    const isFollowed = () => this.#followed.get(task) === one;
    one.isReading = true;
    try {
      while (one.isNews && isFollowed()) {
        one.isNews = false;
        let isSaid = false;
        for (let pieces = await one.file.read(); pieces !== null; pieces = await one.file.read()) {
          for (const piece of pieces) if (isFollowed()) this.#take(task, piece);
          isSaid ||= pieces.some((piece) => !('begin' in piece));
        }
        // No rest after a `begin` alone, because the first words follow it at once.
        if (isSaid) await sleep(REST_MS);
      }
    } catch {
      // A file that cannot be read now may be read at the next look.
    } finally {
      one.isReading = false;
      if (!isFollowed()) await one.file.close().catch(() => {});
    }
  }
}

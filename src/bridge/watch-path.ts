import path from 'node:path';
import { lookAt, type Sight } from './path-sight.js';

/** The events of a watched file. */
export interface PathEvents {
  /** The file may have changed, come or gone. This is a hint: read the file. */
  readonly change: () => void;
  /** The file is watched from now on, whether or not it exists. */
  readonly ready: () => void;
}

/** Options for a watch, for tests and where another pace is wanted. */
export interface WatchPathOptions {
  /** Milliseconds. */
  readonly pollMs?: number;
  /**
   * Opens a watch of a folder, and returns it once events come. Default: by chokidar. May throw where the
   * system has none left.
   */
  readonly watchFolder?: (
    folder: string,
    onEvent: (event: string, name: string | null) => void,
  ) => FolderWatch | Promise<FolderWatch>;
}

/** An open watch of a folder. */
export interface FolderWatch {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  close(): unknown;
}

/**
 * How often the file is looked at, whatever the events say. A look costs two calls of `stat`. Where there
 * are no events a person waits this much longer for an answer. Milliseconds.
 */
const POLL_MS = 2_000;

/**
 * Watches one file: by the events of its folder, and by a slow poll behind them that finds what they miss.
 * Events are missing where the user's inotify watches are used up, on a share, after the folder was removed
 * and made again, and after another one was moved to its place. The poll also opens the watch again.
 *
 * The folder is watched and not the file, because a watch stays with the inode, and a rename over the file
 * gives it another. Where the file is a link, the folder of its target is watched as well. Never fails: a
 * file that cannot be read now may be there at the next look.
 */
export function watchPath(
  file: string,
  on: PathEvents,
  options: WatchPathOptions = {},
): { close(): Promise<void> } {
  const watched = new WatchedPath(path.resolve(file), on, options);
  return { close: () => watched.close() };
}

class WatchedPath {
  readonly #path: string;
  readonly #on: PathEvents;
  readonly #options: Required<WatchPathOptions>;
  readonly #watches = new Map<string, { readonly identity: string; readonly watcher: FolderWatch }>();
  #names: ReadonlySet<string>;
  /** Undefined before the first look. */
  #seen: string | undefined;
  /** How many events came, and how many of them have been told. */
  #heard = 0;
  #told = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void>;
  #telling: Promise<void> = Promise.resolve();

  constructor(
    file: string,
    on: PathEvents,
    { pollMs = POLL_MS, watchFolder = watchByChokidar }: WatchPathOptions,
  ) {
    this.#path = file;
    this.#on = on;
    this.#options = { pollMs, watchFolder };
    this.#names = new Set([path.basename(file)]);
    this.#looking = this.#poll();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#closeAll();
    await Promise.all([this.#looking, this.#telling]);
  }

  async #poll(): Promise<void> {
    const heard = this.#heard;
    const sight = await lookAt(this.#path);
    if (this.#isClosed) return;
    // A look is dropped where an event came meanwhile, because what that event led to is newer.
    if (heard === this.#heard) await this.#take(sight);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#poll();
    }, this.#options.pollMs);
  }

  async #take(sight: Sight): Promise<void> {
    const isFirst = this.#seen === undefined;
    const isNews = !isFirst && sight.file !== this.#seen;
    this.#seen = sight.file;
    if (isNews) this.#on.change();
    // No event told of a change: whatever the watch is on, it is not this folder.
    if (isNews) this.#closeAll();
    const wasOpened = await this.#openMissing(sight);
    if (this.#isClosed) return;
    if (isFirst) this.#on.ready();
    // What came while the watch was opened had no event.
    else if (wasOpened && (await lookAt(this.#path)).file !== this.#seen) this.#hear(null);
  }

  /** Returns whether a watch was opened. */
  async #openMissing({ folders, names }: Sight): Promise<boolean> {
    this.#names = names;
    for (const [folder, { identity, watcher }] of this.#watches) {
      if (folders.get(folder) === identity) continue;
      watcher.close();
      this.#watches.delete(folder);
    }
    const opened = [...folders].map(async ([folder, identity]) => {
      if (this.#watches.has(folder)) return false;
      try {
        const watcher = await this.#options.watchFolder(folder, (_event, name) => this.#hear(name));
        if (this.#isClosed) {
          watcher.close();
          return false;
        }
        this.#watches.set(folder, { identity, watcher });
        watcher.on('error', () => {
          watcher.close();
          if (this.#watches.get(folder)?.watcher === watcher) this.#watches.delete(folder);
        });
        return true;
      } catch {
        // No watches are left, or the folder has just gone. The next poll tries again.
        return false;
      }
    });
    return (await Promise.all(opened)).includes(true);
  }

  #hear(name: string | null): void {
    if (this.#isClosed || (name !== null && !this.#names.has(name))) return;
    this.#heard += 1;
    if (this.#heard === 1 + this.#told) this.#telling = this.#tell();
  }

  /** Looks first and tells then, so that the poll finds whatever comes after this look. */
  async #tell(): Promise<void> {
    while (this.#told < this.#heard) {
      const heard = this.#heard;
      const sight = await lookAt(this.#path);
      if (this.#isClosed) return;
      if (this.#seen !== undefined) {
        this.#seen = sight.file;
        this.#on.change();
      }
      this.#told = heard;
    }
  }

  #closeAll(): void {
    for (const { watcher } of this.#watches.values()) watcher.close();
    this.#watches.clear();
  }
}

/**
 * Watches the entries of a folder, and nothing in them. Only the raw events are of use: what chokidar makes
 * of them is silent about a rename that comes within 5 ms of another event, and about all after it.
 */
export async function watchByChokidar(
  folder: string,
  onEvent: (event: string, name: string | null) => void,
): Promise<FolderWatch> {
  // Loaded here: an agent that reaches its bridge over ssh watches no file.
  const { watch } = await import('chokidar');
  const watcher = watch(folder, {
    depth: 0,
    ignoreInitial: true,
    ignored: (entry) => path.resolve(entry) !== folder,
  });
  watcher.on('raw', (event, name) => onEvent(event, name ? path.basename(name) : null));
  try {
    await new Promise<void>((resolve, reject) => {
      watcher.once('ready', resolve);
      watcher.once('error', reject);
    });
  } catch (error) {
    await watcher.close();
    throw error;
  }
  return watcher;
}

import { type FSWatcher, watch as watchFolder } from 'node:fs';
import path from 'node:path';

/** What is told of a watched file. */
export interface PathEvents {
  /** It may have changed, come or gone. A hint: look what is true. */
  readonly change: () => void;
  /** It is watched from now on. Whether or not it exists. */
  readonly ready: () => void;
  readonly error: (error: unknown) => void;
}

/** chokidar drops a change that follows another within 50 ms, also where it is the last one. Twice that is safe. */
const ECHO_MS = 100;

/**
 * Watches one file, and tells every change once more a moment later, so that the last of a quick series is never missed.
 *
 * It is watched twice. chokidar 5 follows links and waits for folders that are not there yet; but it holds on to the inode, and
 * a rename over the file within 5 ms of another event is dropped by its throttle, after which it hears nothing any more, ever.
 * The folder keeps its inode, so it tells every rename.
 */
export function watchPath(file: string, on: PathEvents): { close(): Promise<void> } {
  let echo: NodeJS.Timeout | undefined;
  let folder: FSWatcher | null = null;
  let closed = false;
  const tell = () => {
    if (closed) return;
    clearTimeout(echo);
    echo = setTimeout(on.change, ECHO_MS);
    on.change();
  };
  const openFolder = () => {
    if (folder !== null || closed) return;
    try {
      folder = watchFolder(path.dirname(file), (_event, name) => {
        if (name === null || name === path.basename(file)) tell();
      });
    } catch {
      // It is not there yet; chokidar tells when the file is.
      return;
    }
    folder.on('error', () => {
      folder?.close();
      folder = null;
    });
  };
  openFolder();
  // Loaded here: an agent that reaches its bridge over ssh watches no file.
  const opening = import('chokidar').then(({ watch }) => {
    if (closed) return null;
    const watcher = watch(file, { ignoreInitial: true });
    watcher.on('all', () => {
      openFolder();
      tell();
    });
    watcher.on('ready', on.ready);
    watcher.on('error', on.error);
    return watcher;
  });
  opening.catch(on.error);
  return {
    async close() {
      closed = true;
      clearTimeout(echo);
      folder?.close();
      await (await opening.catch(() => null))?.close();
    },
  };
}

import { type FSWatcher, watch as watchFolder } from 'node:fs';
import path from 'node:path';

/** The events of a watched file. */
export interface PathEvents {
  /** The file may have changed, come or gone. This is a hint: read the file. */
  readonly change: () => void;
  /** The file is watched from now on, whether or not it exists. */
  readonly ready: () => void;
  readonly error: (error: unknown) => void;
}

/** chokidar drops a change that follows another within 50 ms, even the last one. Twice that is safe. */
const ECHO_MS = 100;

/**
 * Watches one file, and reports every change once more a moment later, so that the last of a quick series is
 * never missed.
 *
 * The file is watched twice. chokidar 5 follows links and waits for folders that do not exist yet. But it
 * stays with the inode: its throttle drops a rename over the file within 5 ms of another event, and after
 * that it never hears anything again. The folder keeps its inode, so a watch of the folder reports every
 * rename.
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
      // The folder does not exist yet; chokidar reports the file when it comes.
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

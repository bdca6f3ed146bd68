import { type ObjectReader, openObjectReader } from '../../git/object-reader.js';
import type { Repository } from '../../git/run-git.js';
import { RecentObjects } from './recent-objects.js';

/** A reader of the agent's clone that can still be used after the clone was made again. */
export interface CloneReader extends ObjectReader {
  /** Closes what is open in the clone; the next call opens it again. Calls that wait now are rejected. */
  renew(): void;
}

/**
 * A git that has nothing to read for this long is ended: it takes 4 MB, and starts again while the next task
 * is fetched. Milliseconds.
 */
const IDLE_MS = 10_000;

/** Opens the reader of a clone. It starts git at the first call. */
export function openCloneReader(clone: Repository): CloneReader {
  const open = () => openObjectReader(clone, { idleMs: IDLE_MS });
  let reader = open();
  const recent = new RecentObjects();
  return {
    async info(name) {
      return recent.get(name)?.info ?? (await reader.info(name));
    },
    async read(name, maxBytes = Number.POSITIVE_INFINITY) {
      const known = recent.get(name);
      if (known !== undefined) return known.content.length <= maxBytes ? known : null;
      const found = await reader.read(name, maxBytes);
      if (found !== null) recent.add(name, found);
      return found;
    },
    async readSmall(names, maxBytes) {
      const unknown = names.filter((name) => recent.get(name) === undefined);
      const found = new Map(
        (await reader.readSmall(unknown, maxBytes)).map((object, at) => [unknown[at] ?? '', object]),
      );
      return names.map((name) => {
        const object = recent.get(name) ?? found.get(name) ?? null;
        if (object === null || object.content.length > maxBytes) return null;
        recent.add(name, object);
        return object;
      });
    },
    warm: () => reader.warm(),
    renew() {
      recent.clear();
      reader.close();
      reader = open();
    },
    close: () => reader.close(),
  };
}

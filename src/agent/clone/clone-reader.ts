import { type ObjectReader, openObjectReader } from '../../git/object-reader.js';
import type { Repository } from '../../git/run-git.js';

/** A reader of the agent's clone that outlives the clone's being made anew. */
export interface CloneReader extends ObjectReader {
  /** Lets go of everything that is open in the clone; the next call opens it again. Calls that wait now are rejected. */
  renew(): void;
}

/** A git that waits for the next task takes 4 MB; it is started again while that task is fetched. Milliseconds. */
const IDLE_MS = 10_000;

/** Opens one. It starts git at the first call. */
export function openCloneReader(clone: Repository): CloneReader {
  const open = () => openObjectReader(clone, { idleMs: IDLE_MS });
  let reader = open();
  return {
    info: (name) => reader.info(name),
    read: (name, maxBytes) => reader.read(name, maxBytes),
    warm: () => reader.warm(),
    renew() {
      reader.close();
      reader = open();
    },
    close: () => reader.close(),
  };
}

import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';

/** A reader of the agent's clone that outlives the clone's being made anew. */
export interface CloneReader extends ObjectReader {
  /** Lets go of everything that is open in the clone; the next call opens it again. Calls that wait now are rejected. */
  renew(): void;
}

/** Opens one. It starts git at the first call. */
export function openCloneReader(clone: Repository): CloneReader {
  let reader = openObjectReader(clone);
  return {
    info: (name) => reader.info(name),
    read: (name, maxBytes) => reader.read(name, maxBytes),
    renew() {
      reader.close();
      reader = openObjectReader(clone);
    },
    close: () => reader.close(),
  };
}

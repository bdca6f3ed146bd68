import type { ReadObject } from '../../git/object-reader.js';

/** The most objects that are kept, and the most bytes of one. */
const MAX_OBJECTS = 32;
const MAX_BYTES = 16 * 1024;

/**
 * The small objects that were read last. A task is read for its place in the queue and again for its answer,
 * and claims and presences are read at every fetch. Only a whole id names an object here, because what it
 * names never changes.
 */
export class RecentObjects {
  readonly #objects = new Map<string, ReadObject>();

  get(id: string): ReadObject | undefined {
    return this.#objects.get(id);
  }

  add(id: string, object: ReadObject): void {
    if (id !== object.info.id || object.content.length > MAX_BYTES) return;
    // A copy: the buffer of a pipe is far larger than an object in it.
    this.#objects.set(id, { info: object.info, content: Buffer.from(object.content) });
    for (const oldest of this.#objects.keys()) {
      if (this.#objects.size <= MAX_OBJECTS) break;
      this.#objects.delete(oldest);
    }
  }

  clear(): void {
    this.#objects.clear();
  }
}

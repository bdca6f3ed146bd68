import type { ObjectInfo } from './git-objects.js';
import type { ObjectReader } from './object-reader.js';

/** Commits and trees of one file. What is larger is read again: it is read once in most cases. Bytes. */
const MAX_REMEMBERED_BYTES = 4096;

/** Commits, trees and files of the largest push. */
const MAX_REMEMBERED = 4096;

const FULL_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The same reader, which asks git once for each small object, by its full id: an object never changes under
 * its id. Each rule of a push looks at the same commits, and each question is a way to git and back.
 */
export function rememberObjects(reader: ObjectReader): ObjectReader {
  const contents = new Memory<Buffer>();
  const infos = new Memory<ObjectInfo>();
  const info = async (name: string) => {
    const said = infos.get(name) ?? (await reader.info(name));
    if (said !== null) infos.set(name, said);
    return said;
  };
  return {
    ...reader,
    info,
    async read(name, maxBytes = Number.POSITIVE_INFINITY) {
      const known = infos.get(name);
      if (known !== undefined && known.size > maxBytes) return null;
      const content = contents.get(name);
      if (known !== undefined && content !== undefined) return { info: known, content };
      // A size that is known to fit is not asked for again.
      const object = await (known === undefined ? reader.read(name, maxBytes) : reader.read(name));
      if (object === null) return null;
      infos.set(name, object.info);
      if (object.info.size > MAX_REMEMBERED_BYTES) return object;
      // Its own bytes alone, not all that git said with it.
      const kept = { info: object.info, content: Buffer.from(object.content) };
      contents.set(name, kept.content);
      return kept;
    },
  };
}

/** What is known by a full id. The oldest goes first: rules walk from one end to the other. */
class Memory<T> {
  readonly #known = new Map<string, T>();

  get(name: string): T | undefined {
    return this.#known.get(name);
  }

  set(name: string, value: T): void {
    if (!FULL_ID.test(name)) return;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(name, value);
  }
}

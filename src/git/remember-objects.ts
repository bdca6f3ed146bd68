import type { ObjectInfo } from './git-objects.js';
import type { ObjectReader } from './object-reader.js';

/** Commits and trees of one file. What is larger is read again: it is read once in most cases. Bytes. */
const MAX_REMEMBERED_BYTES = 4096;

/** Commits and trees of the largest push. */
const MAX_REMEMBERED = 4096;

const FULL_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The same reader, which asks git once for each small object, by its full id: an object never changes under
 * its id. Each rule of a push looks at the same commits, and each question is a way to git and back.
 */
export function rememberObjects(reader: ObjectReader): ObjectReader {
  const known = new Map<string, { readonly info: ObjectInfo; readonly content: Buffer }>();
  return {
    ...reader,
    info: async (name) => known.get(name)?.info ?? reader.info(name),
    async read(name, maxBytes = Number.POSITIVE_INFINITY) {
      const here = known.get(name);
      if (here !== undefined) return here.info.size > maxBytes ? null : here;
      const object = await reader.read(name, maxBytes);
      if (object === null || !FULL_ID.test(name) || object.info.size > MAX_REMEMBERED_BYTES) return object;
      // The oldest goes: rules walk from one end to the other.
      const [oldest] = known.keys();
      if (known.size >= MAX_REMEMBERED && oldest !== undefined) known.delete(oldest);
      // Its own bytes alone, not all that git said with it.
      const kept = { info: object.info, content: Buffer.from(object.content) };
      known.set(name, kept);
      return kept;
    },
  };
}

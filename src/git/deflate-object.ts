import { promisify } from 'node:util';
import { deflate, deflateSync } from 'node:zlib';

/**
 * Up to this size it is done at once: about 30 microseconds for a commit, where a stream of zlib's own and
 * the way to another thread and back took ten times as much of the processor. Bytes.
 */
const MAX_AT_ONCE = 16 * 1024;

/** The bytes of an object as git keeps them. What is large holds nobody up. */
export async function deflateObject(content: Uint8Array): Promise<Buffer> {
  return content.length <= MAX_AT_ONCE ? deflateSync(content) : await promisify(deflate)(content);
}

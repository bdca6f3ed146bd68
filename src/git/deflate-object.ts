import { promisify } from 'node:util';
import { deflate, deflateSync } from 'node:zlib';

/**
 * A content of at most this size is deflated synchronously: about 30 microseconds for a commit. Another
 * thread took ten times as much processor time, for its zlib stream and the way there and back. Bytes.
 */
const MAX_AT_ONCE = 16 * 1024;

/**
 * Compresses an object as git keeps it. A large one is compressed on another thread, so that nothing else
 * waits for it.
 */
export async function deflateObject(content: Uint8Array): Promise<Buffer> {
  return content.length <= MAX_AT_ONCE ? deflateSync(content) : await promisify(deflate)(content);
}

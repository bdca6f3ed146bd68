import { asUtf8 } from '../protocol/as-utf8.js';
import { BridgeError } from '../protocol/bridge-error.js';

/**
 * Reads all of standard input as UTF-8 (or UTF-16 with its mark), at most `maxBytes`. Throws BridgeError
 * `usage` for more, with `tooLarge` as what to do, or for other bytes.
 */
export async function readStdin(maxBytes: number, tooLarge: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new BridgeError(`standard input has more than ${maxBytes} bytes`, {
        code: 'usage',
        remedy: tooLarge,
      });
    }
    chunks.push(chunk);
  }
  const bytes = asUtf8(Buffer.concat(chunks), 'standard input');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new BridgeError('standard input is not valid UTF-8', {
      code: 'usage',
      remedy: 'convert it first: iconv -t utf-8',
      cause,
    });
  }
}

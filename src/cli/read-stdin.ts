import { BridgeError } from '../protocol/bridge-error.js';

/** Reads all of standard input as UTF-8, at most `maxBytes`. Throws BridgeError `usage` for more, or for other bytes. */
export async function readStdin(maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new BridgeError(`standard input has more than ${maxBytes} bytes`, {
        code: 'usage',
        remedy: 'shorten the prompt, or raise bridge.maxTaskBytes on the server',
      });
    }
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new BridgeError('standard input is not valid UTF-8', {
      code: 'usage',
      remedy: 'convert it first: iconv -t utf-8',
      cause,
    });
  }
}

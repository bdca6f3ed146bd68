import { BridgeError } from './bridge-error.js';

const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The bytes of a text file as messages have them: UTF-8 without a byte order mark. Windows programs write
 * the mark, and UTF-16: Notepad, and PowerShell's `>`. UTF-16 is known by its mark alone. Any other bytes
 * are returned as they are, for their reader to judge. `name` is the file's, for the message. Throws
 * BridgeError `usage` for UTF-16 that is damaged.
 */
export function asUtf8(bytes: Buffer, name: string): Buffer {
  if (isUtf16(bytes)) return Buffer.from(decodeUtf16(bytes, name), 'utf8');
  let start = 0;
  // More than one where marked files were put together.
  while (bytes.subarray(start, start + UTF8_MARK.length).equals(UTF8_MARK)) start += UTF8_MARK.length;
  return bytes.subarray(start);
}

/** Whether bytes begin with the mark of UTF-16, in either order. */
export function isUtf16(bytes: Buffer): boolean {
  const mark = bytes.length < 2 ? 0 : bytes.readUInt16BE(0);
  // UTF-32 begins like UTF-16, and goes on with zeros. A text has no NUL.
  const isUtf32 = bytes.length >= 4 && bytes.readUInt32BE(0) === 0xfffe0000;
  return (mark === 0xfffe || mark === 0xfeff) && !isUtf32;
}

function decodeUtf16(bytes: Buffer, name: string): string {
  try {
    if (bytes.length % 2 === 1) throw new RangeError('it has half a character');
    // A copy: the caller's bytes stay as they are.
    const little = bytes[0] === 0xff ? bytes : Buffer.from(bytes).swap16();
    return new TextDecoder('utf-16le', { fatal: true }).decode(little);
  } catch (cause) {
    throw new BridgeError(`${name} begins as UTF-16, and is damaged`, {
      code: 'usage',
      remedy: 'write it again, best as UTF-8',
      cause,
    });
  }
}

import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { isUtf16 } from '../../protocol/as-utf8.js';
import { isBlank } from '../../protocol/text.js';

/**
 * The lines of a file of UTF-8 or UTF-16, with their numbers; blank ones are left out. `bytes` is null for
 * one that is longer than `maxBytes`, which is never held.
 */
export async function* readLines(
  file: string,
  maxBytes: number,
): AsyncGenerator<{ readonly line: number; readonly bytes: Buffer | null }, void, undefined> {
  let pieces: Buffer[] = [];
  let length = 0;
  let line = 1;
  const take = () => {
    const whole = length > maxBytes ? null : trimmed(Buffer.concat(pieces), line === 1);
    const isEmpty = whole !== null && isBlank(whole.toString('latin1'));
    const result = isEmpty ? [] : [{ line, bytes: whole }];
    pieces = [];
    length = 0;
    line += 1;
    return result;
  };
  const add = (piece: Buffer) => {
    length += piece.length;
    if (length > maxBytes) pieces = [];
    else pieces.push(piece);
  };
  for await (const chunk of utf8Of(file)) {
    let rest = chunk;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      add(rest.subarray(0, at));
      yield* take();
      rest = rest.subarray(at + 1);
    }
    if (rest.length > 0) add(rest);
  }
  if (length > 0) yield* take();
}

/**
 * The bytes of a text file, those of UTF-16 as UTF-8: PowerShell's ">" makes it of any text. What is damaged
 * comes as it is, so that its line is told as one that cannot be read.
 */
async function* utf8Of(file: string): AsyncGenerator<Buffer, void, undefined> {
  let decoder: TextDecoder | null | undefined;
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
    const bytes = chunk as Buffer;
    if (decoder === undefined)
      decoder = isUtf16(bytes) ? new TextDecoder(bytes[0] === 0xff ? 'utf-16le' : 'utf-16be', FATAL) : null;
    try {
      yield decoder === null ? bytes : Buffer.from(decoder.decode(bytes, { stream: true }));
    } catch {
      decoder = null;
      yield bytes;
    }
  }
  // Half a character at the end is no text either.
  if (decoder != null) yield isOver(decoder) ? Buffer.alloc(0) : Buffer.of(0xff);
}

function isOver(decoder: TextDecoder): boolean {
  try {
    return decoder.decode() === '';
  } catch {
    return false;
  }
}

const FATAL = { fatal: true } as const;

const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

function trimmed(bytes: Buffer, isFirst: boolean): Buffer {
  const whole = bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes;
  return isFirst && whole.subarray(0, 3).equals(UTF8_MARK) ? whole.subarray(3) : whole;
}

import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import type { ObjectInfo } from './git-objects.js';

/** An object with its type and content; its id is the hash of both. */
export interface PackedObject {
  readonly type: ObjectInfo['type'];
  readonly content: Buffer;
}

/** The settings for reading a pack. */
export interface PackOptions {
  /** 20 or 32. */
  readonly idBytes: number;
  /** The base of a delta that is not in the pack; null where the base may not be used. */
  readonly base: (id: string) => Promise<PackedObject | null>;
  /** How many bytes are unpacked in all. The entries after that are left out. */
  readonly maxBytes: number;
}

/** Behind `PACK` and the version: the number of entries. */
const HEADER_BYTES = 12;

const OFFSET_DELTA = 6;
const ID_DELTA = 7;
const WHOLE: Readonly<Record<number, ObjectInfo['type']>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };

/**
 * Computes the ids of the objects in a pack as it goes over the wire: whole objects, and deltas on these or
 * on a `base`. Null where the bytes are no pack, or an incomplete one. Whoever wrote the pack has the
 * objects, because an id is the hash of the content.
 */
export async function idsInPack(pack: Buffer, options: PackOptions): Promise<ReadonlySet<string> | null> {
  if (pack.length < HEADER_BYTES || pack.toString('latin1', 0, 4) !== 'PACK') return null;
  const made = new Map<string, PackedObject>();
  const byOffset = new Map<number, PackedObject>();
  const keep = (at: number, object: PackedObject) => {
    made.set(idOf(object, options.idBytes), object);
    byOffset.set(at, object);
  };
  let waiting: Delta[] = [];
  let left = options.maxBytes;
  let at = HEADER_BYTES;
  let entries = pack.readUInt32BE(8);
  for (; entries > 0; entries -= 1) {
    const header = readHeader(pack, at, options.idBytes);
    if (header === null) return null;
    if (header.size > left) break;
    const data = inflateAt(pack, header);
    if (data === null) return null;
    left -= header.size;
    const type = WHOLE[header.type];
    if (type !== undefined) keep(at, { type, content: data.content });
    else waiting.push({ at, base: header.base, delta: data.content });
    at = data.end;
  }
  if (entries === 0 && !isWhole(pack, at, options.idBytes)) return null;
  // A delta may come before its base.
  for (let before = waiting.length + 1; waiting.length < before; ) {
    before = waiting.length;
    const rest: Delta[] = [];
    for (const one of waiting) {
      const base =
        typeof one.base === 'number'
          ? byOffset.get(one.base)
          : (made.get(one.base) ?? (await options.base(one.base)));
      const content = base == null ? null : applyDelta(base.content, one.delta, left);
      if (base == null || content === null) rest.push(one);
      else {
        left -= content.length;
        keep(one.at, { type: base.type, content });
      }
    }
    waiting = rest;
  }
  return new Set(made.keys());
}

/** A delta whose base is not known yet: the position of the base in the pack, or its id. */
interface Delta {
  readonly at: number;
  readonly base: number | string;
  readonly delta: Buffer;
}

function idOf({ type, content }: PackedObject, idBytes: number): string {
  const hash = createHash(idBytes === 20 ? 'sha1' : 'sha256');
  return hash.update(`${type} ${content.length}\0`).update(content).digest('hex');
}

/** After the last entry comes the hash of everything before it. */
function isWhole(pack: Buffer, end: number, idBytes: number): boolean {
  const hash = createHash(idBytes === 20 ? 'sha1' : 'sha256')
    .update(pack.subarray(0, end))
    .digest();
  return pack.subarray(end, end + idBytes).equals(hash);
}

/** The header in front of the data of an entry. `size` is the size of the data. */
interface Header {
  readonly type: number;
  readonly size: number;
  readonly base: number | string;
  readonly dataAt: number;
}

function readHeader(pack: Buffer, start: number, idBytes: number): Header | null {
  let at = start;
  let byte = pack[at++] ?? 0;
  const type = (byte >> 4) & 7;
  let size = byte & 15;
  for (let unit = 16; byte & 0x80; unit *= 128) {
    byte = pack[at++] ?? 0;
    size += (byte & 0x7f) * unit;
  }
  let base: number | string = '';
  if (type === OFFSET_DELTA) {
    byte = pack[at++] ?? 0;
    let distance = byte & 0x7f;
    while (byte & 0x80) {
      byte = pack[at++] ?? 0;
      distance = (distance + 1) * 128 + (byte & 0x7f);
    }
    base = start - distance;
  } else if (type === ID_DELTA) {
    base = pack.toString('hex', at, at + idBytes);
    at += idBytes;
  } else if (WHOLE[type] === undefined) return null;
  return at < pack.length ? { type, size, base, dataAt: at } : null;
}

/**
 * The data of an entry, and where the next entry begins. Null where the data does not inflate to the size in
 * its header.
 */
function inflateAt(pack: Buffer, { dataAt, size }: Header): { content: Buffer; end: number } | null {
  try {
    const options = { info: true, maxOutputLength: Math.max(size, 1) };
    // With `info`, zlib reports how much of the input it used; its types do not know that.
    const { buffer, engine } = inflateSync(pack.subarray(dataAt), options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return buffer.length === size ? { content: buffer, end: dataAt + engine.bytesWritten } : null;
  } catch {
    return null;
  }
}

/** Applies a delta to its base. Null where it is no delta on that base, or makes more than `maxBytes`. */
function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer | null {
  let at = 0;
  const next = () => delta[at++] ?? 0;
  const readSize = () => {
    let size = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = next();
      size += (byte & 0x7f) * unit;
      if (byte < 0x80) return size;
    }
  };
  const baseSize = readSize();
  const size = readSize();
  if (baseSize !== base.length || size > maxBytes) return null;
  const made = Buffer.alloc(size);
  let end = 0;
  while (at < delta.length) {
    const code = next();
    let piece: Buffer;
    if (code & 0x80) {
      let offset = 0;
      let length = 0;
      for (let bit = 0; bit < 4; bit += 1) if (code & (1 << bit)) offset += next() * 256 ** bit;
      for (let bit = 0; bit < 3; bit += 1) if (code & (16 << bit)) length += next() * 256 ** bit;
      length ||= 0x10000;
      if (offset + length > base.length) return null;
      piece = base.subarray(offset, offset + length);
    } else {
      piece = delta.subarray(at, at + code);
      at += code;
      if (code === 0 || at > delta.length) return null;
    }
    if (end + piece.length > size) return null;
    piece.copy(made, end);
    end += piece.length;
  }
  return end === size ? made : null;
}

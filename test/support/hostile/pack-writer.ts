import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { RawObject } from './git-objects.js';

const TYPE_NUMBER = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;
const REF_DELTA = 7;

/** An entry of a pack: a whole object, a delta on an object named by its id, or bytes as they are. */
export type PackEntry =
  | RawObject
  | { readonly baseId: string; readonly delta: Buffer }
  | { readonly entryBytes: Buffer };

/** The parts of a pack's frame that can be wrong. */
export interface PackFrame {
  /** The number of objects in the header. */
  readonly count?: number;
  readonly version?: number;
  readonly signature?: string;
  readonly checksum?: 'right' | 'wrong' | 'missing';
}

/** A pack of these entries. */
export function writePack(entries: readonly PackEntry[], frame: PackFrame = {}): Buffer {
  const header = Buffer.alloc(12);
  header.write(frame.signature ?? 'PACK', 0, 4, 'latin1');
  header.writeUInt32BE(frame.version ?? 2, 4);
  header.writeUInt32BE(frame.count ?? entries.length, 8);
  const body = Buffer.concat([header, ...entries.map(entryBytes)]);
  if (frame.checksum === 'missing') return body;
  const checksum = createHash('sha1').update(body).digest();
  return Buffer.concat([body, frame.checksum === 'wrong' ? Buffer.alloc(20) : checksum]);
}

/**
 * A blob of `size` equal bytes as a pack entry, and its id: a few kilobytes on the wire, whatever the size.
 */
export function hugeBlob(size: number, fill = 0): { readonly id: string; readonly entry: PackEntry } {
  const bytes = Buffer.alloc(size, fill);
  const id = createHash('sha1').update(`blob ${size}\0`).update(bytes).digest('hex');
  return {
    id,
    entry: {
      entryBytes: Buffer.concat([
        entryHeader(TYPE_NUMBER.blob, size),
        deflateSync(bytes, { level: 6, chunkSize: 1 << 20 }),
      ]),
    },
  };
}

/**
 * A delta that makes `times` copies of the first `length` bytes of its base (at most 65,536 of them at a
 * time).
 */
export function repeatDelta(baseSize: number, length: number, times: number): Buffer {
  // Copy instruction with three size bytes and no offset: offset 0.
  const copy = Buffer.from([0xf0, length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff]);
  return Buffer.concat([varint(baseSize), varint(length * times), ...Array<Buffer>(times).fill(copy)]);
}

/** A delta: its whole base (at most 65,535 bytes) this many times, and then a text of at most 127 bytes. */
export function copyDelta(baseSize: number, times = 1, text = ''): Buffer {
  const copies = repeatDelta(baseSize, baseSize, times).subarray(
    varint(baseSize).length + varint(baseSize * times).length,
  );
  const insert =
    text === '' ? Buffer.alloc(0) : Buffer.from(`${String.fromCharCode(text.length)}${text}`, 'latin1');
  return Buffer.concat([varint(baseSize), varint(baseSize * times + text.length), copies, insert]);
}

/** A delta that makes a piece of its base, by offset and length below 256. */
export function pieceDelta(baseSize: number, offset: number, length: number): Buffer {
  return Buffer.concat([varint(baseSize), varint(length), Buffer.from([0x91, offset, length])]);
}

function entryBytes(entry: PackEntry): Buffer {
  if ('entryBytes' in entry) return entry.entryBytes;
  if ('delta' in entry) {
    return Buffer.concat([
      entryHeader(REF_DELTA, entry.delta.length),
      Buffer.from(entry.baseId, 'hex'),
      deflateSync(entry.delta),
    ]);
  }
  return Buffer.concat([entryHeader(TYPE_NUMBER[entry.type], entry.bytes.length), deflateSync(entry.bytes)]);
}

/** Type and size: four bits of size, then seven a byte. */
function entryHeader(type: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (type << 4) | (size & 0x0f);
  let left = Math.floor(size / 16);
  while (left > 0) {
    bytes.push(byte | 0x80);
    byte = left & 0x7f;
    left = Math.floor(left / 128);
  }
  return Buffer.from([...bytes, byte]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  while (left >= 128) {
    bytes.push((left & 0x7f) | 0x80);
    left = Math.floor(left / 128);
  }
  return Buffer.from([...bytes, left]);
}

import { createHash } from 'node:crypto';

/** An object as it is stored; any part of it may be wrong. */
export interface RawObject {
  readonly type: 'commit' | 'tree' | 'blob' | 'tag';
  readonly bytes: Buffer;
  /** SHA-1, hex. */
  readonly id: string;
}

/** An object of any bytes. */
export function rawObject(type: RawObject['type'], content: string | Buffer): RawObject {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content, 'utf8');
  const id = createHash('sha1').update(`${type} ${bytes.length}\0`).update(bytes).digest('hex');
  return { type, bytes, id };
}

/** One entry of a tree; the mode is written as it is given. */
export interface RawTreeEntry {
  readonly mode: string;
  readonly name: string;
  readonly id: string;
}

/** A tree with these entries in this order, sorted or not, twice or not. */
export function rawTree(entries: readonly RawTreeEntry[]): RawObject {
  return rawObject(
    'tree',
    Buffer.concat(
      entries.flatMap(({ mode, name, id }) => [
        Buffer.from(`${mode} ${name}\0`, 'utf8'),
        Buffer.from(id, 'hex'),
      ]),
    ),
  );
}

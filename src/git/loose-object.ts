import { createHash, randomBytes } from 'node:crypto';
import { mkdir, utimes } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { writeDurably } from './durable-file.js';
import { DISK, syncEntry } from './log-file-system.js';
import type { ObjectInfo } from './object-reader.js';
import type { ObjectIds } from './run-git.js';

/** An object as it is before git knows it. */
export interface NewObject {
  readonly type: Exclude<ObjectInfo['type'], 'tag'>;
  readonly content: Uint8Array;
}

/**
 * Writes an object into a repository, and answers its id: what `git hash-object -w` does, in the form every git reads
 * (loose: zlib over header and content), without starting a process for each. It is on the disk when this resolves, its name
 * too. A name never stands for half an object. One that is there already is made as young as a new one, as git does, so that no
 * `git gc` takes it for left over before a ref points at it.
 */
export async function writeLooseObject(gitDir: string, object: NewObject, ids: ObjectIds): Promise<string> {
  const id = looseObjectId(object, ids);
  const folder = path.join(gitDir, 'objects', id.slice(0, 2));
  const file = path.join(folder, id.slice(2));
  const now = new Date();
  const isThere = await utimes(file, now, now).then(
    () => true,
    () => false,
  );
  if (isThere) return id;
  const isNew = (await mkdir(folder, { recursive: true })) !== undefined;
  // git takes what begins like this for the rest of a killed writer, and its gc removes it.
  const temporary = path.join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`);
  const bytes = await promisify(deflate)(Buffer.concat([header(object), object.content]));
  await writeDurably(file, temporary, bytes, 0o444);
  if (isNew) await syncEntry(DISK, folder);
  return id;
}

/** The id that git gives an object. */
export function looseObjectId(object: NewObject, ids: ObjectIds): string {
  return createHash(ids).update(header(object)).update(object.content).digest('hex');
}

function header({ type, content }: NewObject): Buffer {
  return Buffer.from(`${type} ${content.length}\0`, 'latin1');
}

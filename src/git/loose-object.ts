import { createHash, randomBytes } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { DISK, syncEntry, writeDurably } from '../process/durable-file.js';
import type { ObjectInfo } from './git-objects.js';
import type { ObjectIds } from './run-git.js';

/** An object as it is before git knows it. */
export interface NewObject {
  readonly type: Exclude<ObjectInfo['type'], 'tag'>;
  readonly content: Uint8Array;
}

/** The modes git gives under `core.sharedRepository=0640`: nobody writes into an object, and what comes into a folder is of its group. */
const GROUP_READS = { file: 0o440, folder: 0o2750 } as const;

/** And where nothing is said. */
const ANYBODY_READS = { file: 0o444, folder: 0o777, whateverUmask: false } as const;

/**
 * Writes an object into a repository, and answers its id: what `git hash-object -w` does, in the form every git reads
 * (loose: zlib over header and content), without starting a process for each. It is on the disk when this resolves, its name
 * too. A name never stands for half an object. One that is there already is made as young as a new one, as git does, so that no
 * `git gc` takes it for left over before a ref points at it. `groupReads` as in Repository.
 */
export async function writeLooseObject(
  gitDir: string,
  object: NewObject,
  ids: ObjectIds,
  groupReads = false,
): Promise<string> {
  const id = looseObjectId(object, ids);
  const folder = path.join(gitDir, 'objects', id.slice(0, 2));
  const file = path.join(folder, id.slice(2));
  const now = new Date();
  const isThere = await utimes(file, now, now).then(
    () => true,
    () => false,
  );
  if (isThere) {
    // Whoever wrote it may have died before it synced the name.
    await syncEntry(DISK, file);
    return id;
  }
  // git takes what begins like this for the rest of a killed writer, and its gc removes it.
  const temporary = path.join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`);
  const bytes = await promisify(deflate)(Buffer.concat([header(object), object.content]));
  const mode = groupReads ? { ...GROUP_READS, whateverUmask: true } : ANYBODY_READS;
  await writeDurably({ file, temporary, bytes, mode });
  return id;
}

/** The id that git gives an object. */
export function looseObjectId(object: NewObject, ids: ObjectIds): string {
  return createHash(ids).update(header(object)).update(object.content).digest('hex');
}

function header({ type, content }: NewObject): Buffer {
  return Buffer.from(`${type} ${content.length}\0`, 'latin1');
}

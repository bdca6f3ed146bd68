import { createHash, randomBytes } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { DISK, syncEntry, writeDurably } from '../process/durable-file.js';
import { deflateObject } from './deflate-object.js';
import type { ObjectInfo } from './git-objects.js';
import type { ObjectIds, Repository } from './run-git.js';

/** An object that is not in git yet. */
export interface NewObject {
  readonly type: Exclude<ObjectInfo['type'], 'tag'>;
  readonly content: Uint8Array;
}

/**
 * The modes git uses under `core.sharedRepository=0640`: objects are read-only, and new files in a folder
 * get its group.
 */
const GROUP_READS = { file: 0o440, folder: 0o2750 } as const;

/** The modes without that setting. */
const ANYBODY_READS = { file: 0o444, folder: 0o777, whateverUmask: false } as const;

/**
 * Writes an object into a repository and returns its id, like `git hash-object -w` but without a process for
 * each. It writes the form every git reads (loose: zlib over header and content). The object and its name
 * are on the disk when this resolves, and a name never stands for half an object. An object that exists gets
 * the current time, as git does it, so that no `git gc` drops it as unused before a ref points at it.
 * `groupReads` and `isDisposable` as in Repository: in a disposable one nothing waits for the disk.
 */
export async function writeLooseObject(
  gitDir: string,
  object: NewObject,
  ids: ObjectIds,
  { groupReads = false, isDisposable = false }: Pick<Repository, 'groupReads' | 'isDisposable'> = {},
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
    // The process that wrote it may have died before it synced the name.
    if (!isDisposable) await syncEntry(DISK, file);
    return id;
  }
  // For git a file with this prefix is the leftover of a killed writer, and its gc removes it.
  const temporary = path.join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`);
  const bytes = await deflateObject(Buffer.concat([header(object), object.content]));
  const mode = groupReads ? { ...GROUP_READS, whateverUmask: true } : ANYBODY_READS;
  await writeDurably({ file, temporary, bytes, mode, isDisposable });
  return id;
}

/** The id that git gives an object. */
export function looseObjectId(object: NewObject, ids: ObjectIds): string {
  return createHash(ids).update(header(object)).update(object.content).digest('hex');
}

function header({ type, content }: NewObject): Buffer {
  return Buffer.from(`${type} ${content.length}\0`, 'latin1');
}

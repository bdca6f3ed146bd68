import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import type { ObjectInfo } from './object-reader.js';

/** An object as it is before git knows it. */
export interface NewObject {
  readonly type: Exclude<ObjectInfo['type'], 'tag'>;
  readonly content: Uint8Array;
}

/**
 * Writes an object into a repository that is ours alone, and answers its id: what `git hash-object -w` does, in the form every git reads
 * (loose: zlib over header and content), without starting a process for each. It is on the disk when this resolves, its name
 * too, which git itself does not see to. A name never stands for half an object.
 */
export async function writeLooseObject(
  gitDir: string,
  object: NewObject,
  ids: 'sha1' | 'sha256',
): Promise<string> {
  const id = createHash(ids).update(header(object)).update(object.content).digest('hex');
  const folder = path.join(gitDir, 'objects', id.slice(0, 2));
  const file = path.join(folder, id.slice(2));
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return id;
  const isNew = (await mkdir(folder, { recursive: true })) !== undefined;
  // git takes what begins like this for the rest of a killed writer, and its gc removes it.
  const temporary = path.join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`);
  try {
    await writeSynced(temporary, await promisify(deflate)(Buffer.concat([header(object), object.content])));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
  if (isNew) await syncFolder(path.dirname(folder));
  return id;
}

function header({ type, content }: NewObject): Buffer {
  return Buffer.from(`${type} ${content.length}\0`, 'latin1');
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', 0o444);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Windows opens no folders, and its file system writes names in order. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

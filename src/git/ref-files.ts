import type { Dirent } from 'node:fs';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { type DurableFile, readSmallFile, unless, writeDurably } from '../process/durable-file.js';

/** The format of a ref file and of a line of packed-refs. */
const ID = '[0-9a-f]{40,64}';

/** The most files that are open at the same time; a system may allow no more than 256. */
const MAX_OPEN = 32;

/** The locks that this process holds, by their path. */
const held = new Set<string>();

/** A lock without a git process that is still not stale: this process is writing its ref. */
export function isLockOfOurs(file: string): boolean {
  return held.has(path.resolve(file));
}

/** A ref and the object it points at. */
export interface RefAt {
  readonly ref: string;
  readonly id: string;
}

/**
 * The refs under a prefix, sorted by name as in `git for-each-ref`, read from git's files (not from a
 * reftable). Loose refs are read first and win, as in git: `git pack-refs` packs a ref before it removes its
 * file, so none is missed between the two.
 */
export async function listRefFiles(gitDir: string, prefix: string): Promise<RefAt[]> {
  const loose = await readLoose(gitDir, prefix);
  const packed = await readFile(path.join(gitDir, 'packed-refs'), 'latin1').catch(unless('ENOENT'));
  const found = new Map(
    [...(packed ?? '').matchAll(new RegExp(`^(${ID}) (\\S+)$`, 'gm'))].flatMap(([, id = '', ref = '']) =>
      ref.startsWith(prefix) ? [[ref, id] as const] : [],
    ),
  );
  for (const [ref, id] of loose) found.set(ref, id);
  return [...found].map(([ref, id]) => ({ ref, id })).sort((a, b) => (a.ref < b.ref ? -1 : 1));
}

async function readLoose(gitDir: string, prefix: string): Promise<[ref: string, id: string][]> {
  const refs = await filesBelow(gitDir, prefix.replace(/\/$/, ''));
  const found: [string, string][] = [];
  for (let at = 0; at < refs.length; at += MAX_OPEN) {
    const some = refs.slice(at, at + MAX_OPEN);
    const ids = await Promise.all(some.map((ref) => readRefFile(gitDir, ref)));
    for (const [index, ref] of some.entries()) {
      const id = ids[index];
      if (id != null) found.push([ref, id]);
    }
  }
  return found;
}

/**
 * The refs under a prefix with unusable files: empty, full of zeros, or cut short by a power cut. git itself
 * never leaves such a file, because it renames ref files into place whole.
 */
export async function listBrokenRefFiles(gitDir: string, prefix: string): Promise<string[]> {
  const refs = await filesBelow(gitDir, prefix.replace(/\/$/, ''));
  return refs.filter((ref) => isBrokenRefFile(gitDir, ref));
}

/** Whether the file of a ref exists and is unusable. */
export function isBrokenRefFile(gitDir: string, ref: string): boolean {
  const text = readSmallFile(path.join(gitDir, ref));
  return text !== null && !WHOLE_REF.test(text);
}

/** A ref file as git writes it: an id, or another ref. */
const WHOLE_REF = /^(?!0{40})(?:[0-9a-f]{40}|[0-9a-f]{64}|ref: \S+)\n$/;

/**
 * Removes an unusable ref file by git's own protocol: under its lock. `kept` where it is gone, whole by now,
 * or locked.
 */
export async function removeBrokenRefFile(gitDir: string, ref: string): Promise<'removed' | 'kept'> {
  const file = path.join(gitDir, ref);
  const lock = await open(`${file}.lock`, 'wx').catch(unless('EEXIST', 'ENOENT', 'ENOTDIR'));
  if (lock === null) return 'kept';
  try {
    if (!isBrokenRefFile(gitDir, ref)) return 'kept';
    await rm(file, { force: true });
    return 'removed';
  } finally {
    await rm(`${file}.lock`, { force: true });
    await lock.close();
  }
}

/** Folder by folder: git may remove an empty one at any moment, and the others must not be missed then. */
async function filesBelow(gitDir: string, folder: string): Promise<string[]> {
  const entries: Dirent[] =
    (await readdir(path.join(gitDir, folder), { withFileTypes: true }).catch(unless('ENOENT', 'ENOTDIR'))) ??
    [];
  const files: string[] = [];
  for (const entry of entries) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) files.push(...(await filesBelow(gitDir, name)));
    else if (entry.isFile() && !name.endsWith('.lock')) files.push(name);
  }
  return files;
}

/** The id in the file of a ref; null where there is no file (the ref may be packed), or no id in it. */
export async function readRefFile(gitDir: string, ref: string): Promise<string | null> {
  return REF_FILE.exec(readSmallFile(path.join(gitDir, ref)) ?? '')?.[1] ?? null;
}

const REF_FILE = new RegExp(`^(${ID})\n$`);

/**
 * Points a ref at an object, whatever its old value, by git's own protocol: the lock file becomes the ref.
 * `locked` where another process has the lock. The ref is on the disk when this resolves. Throws as
 * writeDurably does.
 */
export async function writeRefFile(
  gitDir: string,
  ref: string,
  id: string,
  { isDisposable = false }: Pick<DurableFile, 'isDisposable'> = {},
): Promise<'written' | 'locked'> {
  const file = path.join(gitDir, ref);
  const temporary = `${file}.lock`;
  const key = path.resolve(temporary);
  if (held.has(key)) return 'locked';
  held.add(key);
  try {
    const mode = { file: 0o666, folder: 0o777, whateverUmask: false };
    await writeDurably({ file, temporary, bytes: `${id}\n`, mode, isDisposable });
    return 'written';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'locked';
    throw error;
  } finally {
    held.delete(key);
  }
}

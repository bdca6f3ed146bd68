import type { Dirent } from 'node:fs';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { readSmallFile, unless, writeDurably } from '../process/durable-file.js';

/** What a ref file and a line of packed-refs hold. */
const ID = '[0-9a-f]{40,64}';

/** So many files are open at the same time at most; a system may allow no more than 256. */
const MAX_OPEN = 32;

/** The locks that this process holds, by their path. */
const held = new Set<string>();

/** Whether this process is writing the ref whose lock this is: no git holds it, and it is no left-over all the same. */
export function isLockOfOurs(file: string): boolean {
  return held.has(path.resolve(file));
}

/**
 * The refs under a prefix, by name, as `git for-each-ref` lists them, from the files that git keeps them in (not a reftable). The loose ones are read
 * first and win, as in git: `git pack-refs` packs a ref before it removes its file, so none is missed between the two.
 */
export async function listRefFiles(gitDir: string, prefix: string): Promise<{ ref: string; id: string }[]> {
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
 * The refs under a prefix whose files say nothing: a power cut leaves them empty, full of zeros, or cut short. git never does, because it
 * renames them into place whole.
 */
export async function listBrokenRefFiles(gitDir: string, prefix: string): Promise<string[]> {
  const refs = await filesBelow(gitDir, prefix.replace(/\/$/, ''));
  return refs.filter((ref) => isBrokenRefFile(gitDir, ref));
}

/** Whether the file of a ref is there and says nothing. */
export function isBrokenRefFile(gitDir: string, ref: string): boolean {
  const text = readSmallFile(path.join(gitDir, ref));
  return text !== null && !WHOLE_REF.test(text);
}

/** As git writes it: the id of something, or another ref. */
const WHOLE_REF = /^(?!0{40})(?:[0-9a-f]{40}|[0-9a-f]{64}|ref: \S+)\n$/;

/**
 * Removes the file of a ref where that says nothing, by git's own protocol: under its lock. `kept` where it is gone, whole by now, or locked.
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

/** Folder by folder: git removes one that is empty at any moment, and that is no reason to miss the others. */
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

/** What the file of a ref says; null where it has none (it may be packed), or one that names no object. */
export async function readRefFile(gitDir: string, ref: string): Promise<string | null> {
  return REF_FILE.exec(readSmallFile(path.join(gitDir, ref)) ?? '')?.[1] ?? null;
}

const REF_FILE = new RegExp(`^(${ID})\n$`);

/**
 * Points a ref at an object, whatever it was before, by git's own protocol: the lock is the file that becomes the ref. `locked` where
 * another process has it. It is on the disk when this resolves. Throws as writeDurably does.
 */
export async function writeRefFile(gitDir: string, ref: string, id: string): Promise<'written' | 'locked'> {
  const file = path.join(gitDir, ref);
  const temporary = `${file}.lock`;
  const key = path.resolve(temporary);
  if (held.has(key)) return 'locked';
  held.add(key);
  try {
    const mode = { file: 0o666, folder: 0o777, whateverUmask: false };
    await writeDurably({ file, temporary, bytes: `${id}\n`, mode });
    return 'written';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'locked';
    throw error;
  } finally {
    held.delete(key);
  }
}

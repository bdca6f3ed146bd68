import type { BigIntStats } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import path from 'node:path';

/** What a look at a file has found. Where `file` is the same in two looks, the file counts as unchanged. */
export interface Sight {
  readonly file: string;
  /** The folders to watch, by path, each with its identity: another folder may come to the same path. */
  readonly folders: ReadonlyMap<string, string>;
  /** The name of the file in each of them. */
  readonly names: ReadonlySet<string>;
}

/**
 * Looks at a file and, where it is a link, at its target as well. Never fails: that nothing can be seen is a
 * result, too.
 */
export async function lookAt(file: string): Promise<Sight> {
  const folder = path.dirname(file);
  const [itself, folderId] = await Promise.all([
    lstat(file, { bigint: true }).catch(noStats),
    identityOf(folder),
  ]);
  const folders = new Map([[folder, folderId]]);
  const names = new Set([path.basename(file)]);
  if (typeof itself === 'string' || !itself.isSymbolicLink()) {
    return { file: describe(itself), folders: existing(folders), names };
  }
  const [stats, target] = await Promise.all([
    stat(file, { bigint: true }).catch(noStats),
    realpath(file).catch(() => null),
  ]);
  if (target !== null) {
    const targetFolder = path.dirname(target);
    const identity = await identityOf(targetFolder);
    if (identity !== folderId) folders.set(targetFolder, identity);
    names.add(path.basename(target));
  }
  return { file: `${describe(itself)} ${describe(stats)}`, folders: existing(folders), names };
}

/** Which folder is at a path; empty where there is none. */
async function identityOf(folder: string): Promise<string> {
  const stats = await stat(folder, { bigint: true }).catch(noStats);
  // An inode's number is used again, its time of birth is not.
  return typeof stats === 'string' ? '' : `${stats.dev} ${stats.ino} ${stats.birthtimeNs}`;
}

function existing(folders: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...folders].filter(([, identity]) => identity !== ''));
}

function describe(stats: BigIntStats | string): string {
  if (typeof stats === 'string') return stats;
  return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

/** The error code stands for the missing stats, so that a file that becomes readable counts as changed. */
function noStats(error: NodeJS.ErrnoException): string {
  return error.code ?? 'unknown';
}

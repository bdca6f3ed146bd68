import { lstatSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import path from 'node:path';

/** The most symlinks that are followed on one way; Linux itself follows 40. */
const MAX_LINKS = 40;

/** Why another user may have changed a file or folder; null where only this user and root can change it. */
export function faultOf({ uid, mode }: Pick<Stats, 'uid' | 'mode'>): string | null {
  if (isStranger(uid)) return 'belongs to another user';
  return (mode & 0o022) === 0 ? null : 'can be written by others than its owner (chmod go-w)';
}

/** A folder, absolute, in which another user can put something in the place of a file, and why. */
export interface OpenFolder {
  readonly folder: string;
  readonly fault: string;
}

/**
 * Finds the first folder on the way to `file`, from the root, in which another user could put a file or a
 * symlink in the place of what comes next; null where there is none. The file need not exist; where it, or a
 * folder, is a symlink, the way goes on through what that leads to. A file in `base` is looked for from
 * there: whoever can change that folder can do anything. Others may write into a folder above, as /tmp,
 * where it is sticky, because they cannot rename what is ours there. So may `privateGroup`, which has no
 * other member.
 *
 * Synchronous, as readSmallFile: a few system calls. Throws what the system throws.
 */
export function findOpenFolder(
  file: string,
  base: string,
  { privateGroup = null }: { readonly privateGroup?: number | null } = {},
): OpenFolder | null {
  // There are no modes.
  if (process.platform === 'win32') return null;
  const trusted = realpathSync(base);
  const isWithin = file.startsWith(`${base}/`);
  const names = partsOf(isWithin ? file.slice(base.length) : file);
  let folder = isWithin ? trusted : '/';
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      folder = path.dirname(folder);
      continue;
    }
    const next = lstatSync(path.join(folder, name), { throwIfNoEntry: false }) ?? null;
    const isLast = names.length === 0;
    const fault = folder === trusted ? null : faultOnWay(lstatSync(folder), next, { isLast, privateGroup });
    if (fault !== null) return { folder, fault };
    // Opening it will say that it is missing.
    if (next === null) return null;
    if (!next.isSymbolicLink()) {
      folder = path.join(folder, name);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return { folder, fault: 'has symlinks that lead nowhere' };
    const target = readlinkSync(path.join(folder, name));
    if (path.isAbsolute(target)) folder = '/';
    names.unshift(...partsOf(target));
  }
  return null;
}

function faultOnWay(
  folder: Stats,
  next: Stats | null,
  { isLast, privateGroup }: { readonly isLast: boolean; readonly privateGroup: number | null },
): string | null {
  const isOurs = next !== null && !isStranger(next.uid);
  const isSticky = (folder.mode & 0o1000) !== 0 && !isStranger(folder.uid);
  if (isSticky && isOurs && !isLast) return null;
  const { uid, gid, mode } = folder;
  return faultOf({ uid, mode: gid === privateGroup ? mode & ~0o020 : mode });
}

function partsOf(folder: string): string[] {
  return folder.split('/').filter((part) => part !== '' && part !== '.');
}

function isStranger(uid: number): boolean {
  const own = process.getuid?.();
  return own !== undefined && uid !== own && uid !== 0;
}

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { unless } from '../../process/durable-file.js';
import { faultOf, findOpenFolder } from '../../process/trusted-folder.js';

/** The folder of the owner's executables, in the bridge's own. */
export function onAnswerFolder(gitDir: string): string {
  return path.join(gitDir, 'bridge', 'on-answer.d');
}

/** A file in the folder. */
export type OnAnswerEntry =
  | {
      readonly status: 'runnable';
      readonly name: string;
      readonly file: string;
      /** When it was last written, renamed or made executable; milliseconds since the epoch. */
      readonly sinceMs: number;
    }
  /** It is not run, for a reason that its owner should know. */
  | { readonly status: 'refused'; readonly name: string; readonly reason: string };

/**
 * Lists what is in `on-answer.d`, by name. As with run-parts, a name has letters, digits, `_` and `-` only, so what editors and packages
 * leave (`x~`, `x.bak`, `.x.swp`) is never run; an executable of another name is refused by that reason, and what is not
 * executable is left out. Whoever could change an executable could act as the owner of the bridge: a file or folder that others may write
 * to, or that belongs to somebody else (root aside), is refused.
 */
export async function listOnAnswer(gitDir: string): Promise<OnAnswerEntry[]> {
  const folder = onAnswerFolder(gitDir);
  const names = (await readdir(folder).catch(unless('ENOENT'))) ?? [];
  if (names.length === 0) return [];
  const entries: OnAnswerEntry[] = [];
  for (const name of names.filter((one) => !one.startsWith('.')).sort()) {
    const file = path.join(folder, name);
    // A symbolic link is followed, and what counts is the file behind it, and who could put another there.
    const stats = await stat(file).catch(unless('ENOENT', 'ELOOP', 'EACCES'));
    if (!stats?.isFile() || (stats.mode & 0o111) === 0 || name.endsWith('~')) continue;
    const reason = isRunnableName(name)
      ? (faultOf(stats) ?? faultOfFolder(file, gitDir))
      : 'its name may have letters, digits, "_" and "-" only';
    entries.push(
      reason === null
        ? { status: 'runnable', name, file, sinceMs: stats.ctimeMs }
        : { status: 'refused', name, reason },
    );
  }
  return entries;
}

/** The rule of run-parts. */
export function isRunnableName(name: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(name);
}

function faultOfFolder(file: string, gitDir: string): string | null {
  const found = findOpenFolder(file, gitDir);
  return found === null ? null : `the folder ${found.folder} ${found.fault}`;
}

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { unless } from '../../process/durable-file.js';
import { faultOf, findOpenFolder } from '../../process/trusted-folder.js';

/** The folder of the owner's executables, in the git directory of the bridge. */
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
  /** Not run, for a reason that its owner should know. */
  | { readonly status: 'refused'; readonly name: string; readonly reason: string };

/**
 * Lists the files in `on-answer.d`, by name. As with run-parts, a name has only letters, digits, `_` and
 * `-`, so the left-overs of editors and packages (`x~`, `x.bak`, `.x.swp`) are never run. An executable with
 * another name is refused for that reason; a file that is not executable is left out. Somebody who can
 * change an executable can act as the owner of the bridge. So a file or folder is refused if others may
 * write to it, or if it belongs to another user than the owner or root.
 */
export async function listOnAnswer(gitDir: string): Promise<OnAnswerEntry[]> {
  const folder = onAnswerFolder(gitDir);
  const names = (await readdir(folder).catch(unless('ENOENT'))) ?? [];
  if (names.length === 0) return [];
  const entries: OnAnswerEntry[] = [];
  for (const name of names.filter((one) => !one.startsWith('.')).sort()) {
    const file = path.join(folder, name);
    // Symbolic links are followed. What counts is the target, and who could replace it.
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

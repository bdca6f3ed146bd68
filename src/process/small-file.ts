import { readFileSync } from 'node:fs';

/**
 * The text (latin1) of a file of a few bytes, a ref or a name; null where there is none, or it may not be read. Not by the thread pool: the ways to it
 * and back, one for each system call, take many times as long as the calls.
 */
export function readSmallFile(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES'].includes(code)) return null;
    throw error;
  }
}

import { chmod, lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

/** Takes the right to write from everybody but the owner, in a folder and all below it: an umask of 002 had given it to the group. */
export async function tightenModes(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  for (const file of [folder, ...names.map((name) => path.join(folder, name))]) {
    const { mode } = await lstat(file);
    if ((mode & 0o022) !== 0) await chmod(file, mode & 0o7755);
  }
}

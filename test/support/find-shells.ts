import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** A shell, and the arguments in front of a script. */
export type Shell = readonly [file: string, args: readonly string[]];

/** Every shell that may stand behind /bin/sh. */
const SHELLS = [
  ['dash', []],
  ['busybox', ['sh']],
  ['bash', ['--posix']],
  ['ksh', []],
] as const;

/** Those of them that are on this machine. */
export async function findShells(): Promise<Shell[]> {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = SHELLS.map(async ([name, args]): Promise<Shell | null> => {
    for (const file of folders.map((folder) => join(folder, name))) {
      const isThere = await access(file, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return [file, args];
    }
    return null;
  });
  return (await Promise.all(found)).filter((shell) => shell !== null);
}

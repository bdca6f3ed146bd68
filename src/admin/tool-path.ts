import { access, constants } from 'node:fs/promises';
import path from 'node:path';

/** Where the standard tools of every Unix lie. */
const STANDARD_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin'];

/** A PATH for sessions that lack folders: the one where git is found now, then the standard ones. */
export async function toolPath(env: NodeJS.ProcessEnv): Promise<string> {
  for (const folder of (env.PATH ?? '').split(path.delimiter).filter((one) => path.isAbsolute(one))) {
    const found = await access(path.join(folder, 'git'), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return [...new Set([folder, ...STANDARD_FOLDERS])].join(':');
  }
  return STANDARD_FOLDERS.join(':');
}

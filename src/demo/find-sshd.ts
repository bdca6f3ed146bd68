import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** Where the server program is kept; a plain user's PATH does not have these. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/opt/homebrew/sbin'];

/**
 * The absolute path of the OpenSSH server program, from PATH and the folders it is usually kept in; null where there is
 * none, and on Windows, whose sshd runs as a service only.
 */
export async function findSshd(searchPath = process.env.PATH ?? ''): Promise<string | null> {
  if (process.platform === 'win32') return null;
  // sshd starts itself again for every connection and refuses to be run by a relative path.
  for (const folder of [...searchPath.split(delimiter).filter(isAbsolute), ...SYSTEM_FOLDERS]) {
    const file = join(folder, 'sshd');
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return null;
}

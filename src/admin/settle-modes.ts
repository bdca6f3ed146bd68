import { chmod, lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { GROUP_MODES } from '../process/group-files.js';

/** The folders of a bridge. */
const FOLDERS = ['hooks', 'bridge', 'info', 'logs', 'objects', 'refs'];

/**
 * Only the owner may read these: executables that may hold a password, and their state; what clients of a
 * gateway have sent.
 */
const OWNERS_OWN = ['bridge/on-answer.d', 'bridge/on-answer.state', 'bridge/batches'];

/** Of the object folders only the folders themselves are checked: there may be very many files in them. */
const OBJECTS = /^objects\/./;

/** The objects of a push that git has not let in yet: closed to all but git, and gone with the push. */
const QUARANTINE = /^objects\/tmp_objdir-/;

/**
 * Sets the modes of a new bridge, whatever the umask: git makes some files before it knows
 * `core.sharedRepository`. Executables stay executable for everybody, and read-only files of git stay
 * read-only. The bits that git gives a folder for its new files stay too.
 */
export async function settleModes(gitDir: string): Promise<void> {
  const names = await readdir(gitDir, { recursive: true });
  for (const file of [gitDir, ...names.map((name) => path.join(gitDir, name))]) {
    const found = await modeOf(file);
    if (found === null) continue;
    const { mode, isFolder } = found;
    const plain = (mode & 0o100) === 0 ? (mode & 0o600) | 0o040 : 0o755;
    await chmod(file, (mode & 0o7000) | (isFolder ? GROUP_MODES.folder : plain));
  }
}

/**
 * The paths of a bridge that its group cannot read, although it may enter the bridge; absolute. An older
 * llm-bridge made such paths under a umask of 077. None where the group may not even enter, which is the
 * owner's decision, and none on Windows.
 */
export async function closedToGroup(gitDir: string): Promise<string[]> {
  if (process.platform === 'win32' || !groupEnters((await lstat(gitDir)).mode)) return [];
  const closed: string[] = [];
  for (const name of ['HEAD', 'config']) {
    const file = path.join(gitDir, name);
    const found = await modeOf(file);
    if (found !== null && (found.mode & 0o040) === 0) closed.push(file);
  }
  const folders = [...FOLDERS];
  for (let name = folders.shift(); name !== undefined; name = folders.shift()) {
    const folder = path.join(gitDir, name);
    if (OWNERS_OWN.includes(name) || QUARANTINE.test(name)) continue;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => null);
    const found = await modeOf(folder);
    if (entries === null || found === null) continue;
    if (!groupEnters(found.mode)) closed.push(folder);
    if (OBJECTS.test(name)) continue;
    for (const entry of entries) if (entry.isDirectory()) folders.push(`${name}/${entry.name}`);
  }
  return closed;
}

/** Lets the group read the paths of closedToGroup. Returns how many there were. */
export async function openToGroup(gitDir: string): Promise<number> {
  const closed = await closedToGroup(gitDir);
  for (const file of closed) {
    const found = await modeOf(file);
    if (found !== null) await chmod(file, found.mode | (found.isFolder ? 0o050 : 0o040));
  }
  return closed.length;
}

/** Null where a git that runs just now has removed it again. */
async function modeOf(file: string): Promise<{ mode: number; isFolder: boolean } | null> {
  const stats = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (stats === null) return null;
  return { mode: stats.mode & 0o7777, isFolder: stats.isDirectory() };
}

function groupEnters(mode: number): boolean {
  return (mode & 0o050) === 0o050;
}

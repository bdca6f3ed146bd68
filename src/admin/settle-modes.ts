import { chmod, lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { GROUP_MODES } from '../process/group-files.js';

/** The folders of a bridge. */
const FOLDERS = ['hooks', 'bridge', 'info', 'logs', 'objects', 'refs'];

/** What may be its owner's alone: executables that may hold a password, and how they are doing. */
const OWNERS_OWN = ['bridge/on-answer.d', 'bridge/on-answer.state'];

/** Of the folders that hold objects only themselves are looked at: there may be very many files in them. */
const OBJECTS = /^objects\/./;

/**
 * Gives a bridge that was made just now its modes, whatever the umask: git makes some of it before it knows
 * `core.sharedRepository`. What can be executed stays so for everybody; what git made read-only stays so, and
 * the bits that it gives a folder for what comes into it stay.
 */
export async function settleModes(gitDir: string): Promise<void> {
  const names = await readdir(gitDir, { recursive: true });
  for (const file of [gitDir, ...names.map((name) => path.join(gitDir, name))]) {
    const { mode, isFolder } = await modeOf(file);
    const plain = (mode & 0o100) === 0 ? (mode & 0o600) | 0o040 : 0o755;
    await chmod(file, (mode & 0o7000) | (isFolder ? GROUP_MODES.folder : plain));
  }
}

/**
 * What of a bridge its group cannot read, though it may enter the bridge, as an older llm-bridge made it
 * under a umask of 077; absolute paths. None where the group may not even enter, which is for the owner to
 * decide, and none on Windows.
 */
export async function closedToGroup(gitDir: string): Promise<string[]> {
  if (process.platform === 'win32' || !groupEnters((await lstat(gitDir)).mode)) return [];
  const closed: string[] = [];
  for (const name of ['HEAD', 'config']) {
    const file = path.join(gitDir, name);
    if (((await modeOf(file)).mode & 0o040) === 0) closed.push(file);
  }
  const folders = [...FOLDERS];
  for (let name = folders.shift(); name !== undefined; name = folders.shift()) {
    const folder = path.join(gitDir, name);
    // What a git that works just now has removed again.
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => null);
    if (entries === null || OWNERS_OWN.includes(name)) continue;
    if (!groupEnters((await modeOf(folder)).mode)) closed.push(folder);
    if (OBJECTS.test(name)) continue;
    for (const entry of entries) if (entry.isDirectory()) folders.push(`${name}/${entry.name}`);
  }
  return closed;
}

/** Lets the group read what closedToGroup finds. Answers how many paths there were. */
export async function openToGroup(gitDir: string): Promise<number> {
  const closed = await closedToGroup(gitDir);
  for (const file of closed) {
    const { mode, isFolder } = await modeOf(file);
    await chmod(file, mode | (isFolder ? 0o050 : 0o040));
  }
  return closed.length;
}

async function modeOf(file: string): Promise<{ mode: number; isFolder: boolean }> {
  const stats = await lstat(file);
  return { mode: stats.mode & 0o7777, isFolder: stats.isDirectory() };
}

function groupEnters(mode: number): boolean {
  return (mode & 0o050) === 0o050;
}

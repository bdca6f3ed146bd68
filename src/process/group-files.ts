import { chmod, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { DISK, type LogFileSystem, unless } from './durable-file.js';

/**
 * The modes of what llm-bridge makes in a bridge: its owner's, and for the group to read, whatever the umask
 * of who runs it. What git makes there follows `core.sharedRepository`, which says the same.
 */
export const GROUP_MODES = { file: 0o640, folder: 0o750 } as const;

/**
 * Makes a folder of a bridge, with those above it that are missing. Answers whether it made one.
 */
export async function makeGroupFolder(
  folder: string,
  fs: Pick<LogFileSystem, 'mkdir'> = DISK,
): Promise<boolean> {
  const made = await fs.mkdir(folder, { recursive: true });
  if (typeof made !== 'string') return false;
  for (let one = path.resolve(folder); one.length >= made.length; one = path.dirname(one))
    await chmod(one, GROUP_MODES.folder);
  return true;
}

/**
 * Opens a file of a bridge to write. A new one gets its mode here; one that is there keeps what its owner
 * gave it.
 */
export async function openGroupFile(
  file: string,
  flags: 'a' | 'a+' | 'w',
  fs: Pick<LogFileSystem, 'open' | 'stat'> = DISK,
): Promise<FileHandle> {
  const isNew = (await fs.stat(file).catch(unless('ENOENT', 'ENOTDIR', 'EACCES'))) === null;
  const handle = await fs.open(file, flags, GROUP_MODES.file);
  if (!isNew) return handle;
  try {
    await handle.chmod(GROUP_MODES.file);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return handle;
}

import { mkdirSync, readdirSync, readFileSync, type Stats } from 'node:fs';
import { chmod, type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../protocol/bridge-error.js';

/** A file to write. */
export interface DurableFile {
  /** Its folder is made where it is missing. */
  readonly file: string;
  /** In the same folder. */
  readonly temporary: string;
  readonly bytes: Uint8Array | string;
  /** Its mode, and that of a folder that had to be made; `whateverUmask`: exactly these. */
  readonly mode: { readonly file: number; readonly folder: number; readonly whateverUmask: boolean };
  /** It can be made again, so nothing waits for the disk: a power cut may leave it empty. Default: false. */
  readonly isDisposable?: boolean;
}

/**
 * git removes a folder that it finds empty (pack-refs, gc, the deletion of a ref), also one that was made
 * this moment.
 */
const MAX_TRIES = 50;

/**
 * Writes a file whole or not at all, so that it survives a power cut: the bytes go to `temporary`, are
 * synced and renamed, and the names are synced, that of a new folder too, which git itself does not do.
 * Throws `EEXIST` where somebody else has the temporary file, which then stays; BridgeError `disk-full`
 * (retryable) or `no-permission` where the disk does not take it.
 */
export async function writeDurably(what: DurableFile): Promise<void> {
  const { file, temporary, bytes, mode, isDisposable = false } = what;
  try {
    const { handle, made } = await openIn(path.dirname(file), temporary, mode);
    try {
      try {
        if (mode.whateverUmask) await handle.chmod(mode.file);
        await handle.writeFile(bytes);
        if (!isDisposable) await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    if (isDisposable) return;
    await syncEntry(DISK, file);
    if (made === undefined) return;
    for (let folder = path.dirname(file); folder.startsWith(made); folder = path.dirname(folder))
      await syncEntry(DISK, folder);
  } catch (error) {
    throw diskError(file, error as NodeJS.ErrnoException);
  }
}

/**
 * Opens the new file, whatever becomes of its folder meanwhile; `made` is the topmost folder that had to be
 * made.
 */
async function openIn(folder: string, temporary: string, mode: DurableFile['mode']) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // From the second try on at once, so that the file is on its way before anybody finds the folder empty
      // again.
      const made = await (attempt === 1 ? mkdir : mkdirSync)(folder, { recursive: true });
      if (made !== undefined && mode.whateverUmask) await chmod(folder, mode.folder);
      return { handle: await open(temporary, 'wx', mode.file), made };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === MAX_TRIES) throw error;
      // Or the two would go on in step.
      if (attempt > 1) await sleep(Math.random() * 10);
    }
  }
}

function diskError(file: string, error: NodeJS.ErrnoException): Error {
  const said = `cannot write ${file} (${error.code ?? error.message})`;
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new BridgeError(`${said}: the disk is full`, {
        code: 'disk-full',
        remedy: 'free some space there, and try again',
        retryable: true,
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new BridgeError(said, {
        code: 'no-permission',
        remedy: 'see that the folder belongs to this user and that its disk can be written',
        cause: error,
      });
    default:
      return error;
  }
}

/** The calls by which the log is kept: an argument, so that a test can let each of them fail in turn. */
export interface LogFileSystem {
  open(file: string, flags: string, mode?: number): Promise<FileHandle>;
  stat(file: string): Promise<Stats>;
  readdir(folder: string): Promise<string[]>;
  mkdir(folder: string, options: { readonly recursive: true }): Promise<unknown>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

/** The disk. */
export const DISK: LogFileSystem = { open, stat, readdir, mkdir, link, rename };

/**
 * Writes all of it at the end or the position of the file: a disk may take less of a buffer than it is
 * offered.
 */
export async function writeWhole(handle: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, null);
    if (bytesWritten === 0) throw new Error('the disk took nothing of a write');
    written += bytesWritten;
  }
}

/**
 * Makes the entries of a folder survive a power cut: fsync of a file does not promise that its name does. A
 * folder that is not there has none; a file system that cannot do this (EINVAL), or a system that cannot
 * open folders (Windows), is left to itself.
 */
export async function syncFolder(fs: LogFileSystem, folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await fs.open(folder, 'r').catch(unless('ENOENT'));
  if (handle === null) return;
  try {
    await handle.sync().catch(unless('EINVAL', 'ENOTSUP'));
  } finally {
    await handle.close();
  }
}

/** Makes the name of a file survive a power cut. */
export function syncEntry(fs: LogFileSystem, file: string): Promise<void> {
  return syncFolder(fs, path.dirname(file));
}

/** Takes the errors of these codes as "there is none". */
export function unless(...codes: string[]) {
  return (error: NodeJS.ErrnoException): null => {
    if (codes.includes(error.code ?? '')) return null;
    throw error;
  };
}

/**
 * The text (latin1) of a file of a few bytes, a ref or a name; null where there is none, or it may not be
 * read. Synchronous: the thread pool would take many times as long as the few system calls.
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

/** The names in a folder; none where it is not there, or cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

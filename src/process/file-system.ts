import type { Stats } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';

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

/** Writes all of it at the end or the position of the file: a disk may take less of a buffer than it is offered. */
export async function writeWhole(handle: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, null);
    if (bytesWritten === 0) throw new Error('the disk took nothing of a write');
    written += bytesWritten;
  }
}

/**
 * Makes the entries of a folder survive a power cut: fsync of a file does not promise that its name does. A folder that is not there
 * has none; a file system that cannot do this (EINVAL), or a system that cannot open folders (Windows), is left to itself.
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

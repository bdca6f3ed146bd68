import { open, rename, rm } from 'node:fs/promises';
import { DISK, syncEntry } from './log-file-system.js';

/**
 * Gives `file` these bytes at once and so that they survive a power cut: written to `temporary`, in the same folder, synced, renamed, and the
 * name synced, which git itself does not do. Throws `EEXIST` where somebody else has the temporary file, which is left alone then.
 */
export async function writeDurably(
  file: string,
  temporary: string,
  bytes: Uint8Array | string,
  mode: { readonly bits: number; readonly whateverUmask: boolean },
): Promise<void> {
  const handle = await open(temporary, 'wx', mode.bits);
  try {
    try {
      if (mode.whateverUmask) await handle.chmod(mode.bits);
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncEntry(DISK, file);
}

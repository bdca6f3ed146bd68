import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';

/** A lock that is held until its file is closed, or until this process ends in whatever way. */
export type KernelLock =
  | { readonly status: 'taken'; release(): Promise<void> }
  | { readonly status: 'held' | 'unavailable' };

/**
 * Takes the kernel's exclusive lock on `file`, at once or not at all; the file is made where it is missing. Children do not inherit it. `held`: another
 * process has it, and that process lives. `unavailable`: no `flock` program, or a file system without locks. Throws what
 * opening the file throws.
 */
export async function tryKernelLock(file: string): Promise<KernelLock> {
  const handle = await open(file, 'a', 0o600);
  const code = await flock(handle);
  if (code === 0) return { status: 'taken', release: () => handle.close() };
  await handle.close();
  return { status: code === 1 ? 'held' : 'unavailable' };
}

/** The exit code of `flock -n`: 0 taken, 1 held by another, anything else is no answer; null where it cannot be run. */
function flock(handle: FileHandle): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn('flock', ['-n', '-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', handle.fd] });
    child.on('error', () => resolve(null));
    child.on('exit', (code) => resolve(code));
  });
}

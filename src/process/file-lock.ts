import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { BridgeError } from '../protocol/bridge-error.js';

/** How long one waits for another: an ingest that catches up over a hundred thousand answers takes less. */
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Runs `job` while holding an exclusive lock on `file`, which is made where it is missing. The lock is the kernel's: it goes
 * with this process, however that ends, and children do not inherit it (Node opens files close-on-exec). Node cannot call
 * flock(2) itself, so `flock` of util-linux or busybox locks the open file it is handed, and leaves. Where there is no such
 * program (macOS), a lock folder with a heartbeat does. Throws BridgeError `locked` after a minute of
 * waiting, `no-lock` where locking fails.
 */
export async function withFileLock<T>(file: string, job: () => Promise<T>): Promise<T> {
  const release = await takeFileLock(file);
  try {
    return await job();
  } finally {
    await release();
  }
}

/** The same in two: takes the lock, and answers how to let go of it. */
export async function takeFileLock(file: string): Promise<() => Promise<void>> {
  const handle = await open(file, 'a', 0o640);
  try {
    if ((await kernelLock(file, handle)) === 'held') return () => handle.close();
    const release = await lockFolder(file, LOCK_TIMEOUT_MS);
    if (release === null) throw lockedError(file);
    return async () => {
      await release();
      await handle.close();
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * The same without waiting: where another holds the lock, the job is not run, and the answer is `{ held: false }`. What it is for:
 * one runs, everybody else leaves. Throws BridgeError `no-lock` where locking fails.
 */
export async function tryFileLock<T>(
  file: string,
  job: () => Promise<T>,
): Promise<{ readonly held: true; readonly value: T } | { readonly held: false }> {
  const handle = await open(file, 'a', 0o640);
  try {
    const kernel = await kernelLock(file, handle, ['-n']);
    if (kernel === 'busy') return { held: false };
    if (kernel === 'held') return { held: true, value: await job() };
    const release = await lockFolder(file, 0);
    if (release === null) return { held: false };
    try {
      return { held: true, value: await job() };
    } finally {
      await release();
    }
  } finally {
    await handle.close();
  }
}

/** `none`: there is no `flock` program. `busy`: only with `-n`. */
function kernelLock(
  file: string,
  handle: FileHandle,
  options: readonly string[] = [],
): Promise<'held' | 'busy' | 'none'> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-x', ...options, '3'], {
      stdio: ['ignore', 'ignore', 'ignore', handle.fd],
    });
    let waitedTooLong = false;
    const timer = setTimeout(() => {
      waitedTooLong = true;
      child.kill('SIGKILL');
    }, LOCK_TIMEOUT_MS);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT') resolve('none');
      else reject(error);
    });
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve('held');
      else if (code === 1 && options.includes('-n')) resolve('busy');
      else reject(waitedTooLong ? lockedError(file) : cannotLock(file, code));
    });
  });
}

/** Null where another has held it for so long. */
async function lockFolder(file: string, timeoutMs: number): Promise<(() => Promise<void>) | null> {
  const { lock } = await import('proper-lockfile');
  const patience = {
    forever: true,
    maxRetryTime: timeoutMs,
    minTimeout: 20,
    maxTimeout: 500,
    randomize: true,
  };
  return lock(file, { stale: 15_000, retries: timeoutMs === 0 ? 0 : patience }).catch(() => null);
}

/** A file system that has no locks, say; telling the owner to wait would be wrong. */
function cannotLock(file: string, code: number | null): BridgeError {
  return new BridgeError(`flock could not lock ${file} (exit code ${code ?? 'none'})`, {
    code: 'no-lock',
    remedy: `keep the bridge on a local disk; run "flock -x ${file} true" to see what it says`,
  });
}

function lockedError(file: string): BridgeError {
  return new BridgeError(`another process has held ${file} for a minute`, {
    code: 'locked',
    remedy: 'wait for it and try again; for answers.log, "llm-bridge ingest" catches up',
    retryable: true,
  });
}

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

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
  const handle = await open(file, 'a', 0o640);
  try {
    if (await kernelLock(file, handle)) return await job();
    return await folderLock(file, job);
  } finally {
    await handle.close();
  }
}

/** True once the lock is held, false where there is no `flock` program. */
function kernelLock(file: string, handle: FileHandle): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', handle.fd] });
    let waitedTooLong = false;
    const timer = setTimeout(() => {
      waitedTooLong = true;
      child.kill('SIGKILL');
    }, LOCK_TIMEOUT_MS);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(true);
      else reject(waitedTooLong ? lockedError(file) : cannotLock(file, code));
    });
  });
}

async function folderLock<T>(file: string, job: () => Promise<T>): Promise<T> {
  const { lock } = await import('proper-lockfile');
  const release = await lock(file, {
    stale: 15_000,
    retries: {
      forever: true,
      maxRetryTime: LOCK_TIMEOUT_MS,
      minTimeout: 20,
      maxTimeout: 500,
      randomize: true,
    },
  }).catch(() => {
    throw lockedError(file);
  });
  try {
    return await job();
  } finally {
    await release();
  }
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

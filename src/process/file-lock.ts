import { type FileHandle, open } from 'node:fs/promises';
import { BridgeError } from '../protocol/bridge-error.js';
import { openGroupFile } from './group-files.js';
import { runProgram } from './run-program.js';
import { shellQuote } from './shell-quote.js';

/**
 * How long to wait for a lock. An ingest that catches up with a hundred thousand answers holds it for less.
 */
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Runs `job` while it holds an exclusive lock on `file`, which is made where it is missing. The lock is the
 * kernel's: it goes with this process, however that ends, and children do not inherit it (Node opens files
 * close-on-exec). Where there is no `flock` program (macOS), a lock folder with a heartbeat does the same.
 * Throws BridgeError `locked` after a minute of waiting, `no-lock` where locking fails.
 */
export async function withFileLock<T>(file: string, job: () => Promise<T>): Promise<T> {
  const release = await takeFileLock(file);
  try {
    return await job();
  } finally {
    await release();
  }
}

/** The same in two steps: takes the lock, and answers how to release it. */
export async function takeFileLock(file: string): Promise<() => Promise<void>> {
  const release = await lock(file, LOCK_TIMEOUT_MS);
  if (release === null) throw lockedError(file);
  return release;
}

/**
 * The same without waiting: where another holds the lock, the job is not run, and the answer is `{ held:
 * false }`. For work that one process does and all others leave to it. Throws BridgeError `no-lock` where
 * locking fails.
 */
export async function tryFileLock<T>(
  file: string,
  job: () => Promise<T>,
): Promise<{ readonly held: true; readonly value: T } | { readonly held: false }> {
  const release = await lock(file, 0);
  if (release === null) return { held: false };
  try {
    return { held: true, value: await job() };
  } finally {
    await release();
  }
}

/** Takes the lock, and answers how to release it; null where another has held it for all of `timeoutMs`. */
async function lock(file: string, timeoutMs: number): Promise<(() => Promise<void>) | null> {
  const handle = await openGroupFile(file, 'a');
  try {
    const outcome = await flock(handle, timeoutMs);
    if (outcome === 'taken') return () => handle.close();
    const releaseFolder = outcome === 'no-program' ? await lockFolder(file, timeoutMs) : null;
    if (releaseFolder !== null) {
      return async () => {
        await releaseFolder();
        await handle.close();
      };
    }
    if (typeof outcome === 'object') throw cannotLock(file, outcome.exitCode);
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return null;
}

/** `held`: another process has it. `exitCode`: `flock` could not tell; null where a signal ended it. */
type FlockOutcome = 'taken' | 'held' | 'no-program' | { readonly exitCode: number | null };

/**
 * Locks an open file and leaves it locked, until it is closed: Node cannot call flock(2), so `flock` of
 * util-linux or busybox does, on the file that it is handed. Waits for another process at most `timeoutMs`.
 */
async function flock(handle: FileHandle, timeoutMs: number, mode: '-x' | '-s' = '-x'): Promise<FlockOutcome> {
  const isPatient = timeoutMs > 0;
  try {
    // biome-ignore lint/plugin: agent and asker lock by their state folder; this is for the server
    const { exitCode, endedFor } = await runProgram(['flock', ...(isPatient ? [] : ['-n']), mode, '3'], {
      env: process.env,
      output: 'ignored',
      files: [handle.fd],
      timeoutMs: isPatient ? timeoutMs : undefined,
    });
    if (exitCode === 0) return 'taken';
    return endedFor === 'time' || (!isPatient && exitCode === 1) ? 'held' : { exitCode };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'no-program';
    throw error;
  }
}

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

/** A file system without locks, for example. To tell the owner to wait would be wrong. */
function cannotLock(file: string, exitCode: number | null): BridgeError {
  return new BridgeError(`flock could not lock ${file} (exit code ${exitCode ?? 'none'})`, {
    code: 'no-lock',
    remedy: `keep the bridge on a local disk; see what it says: flock -x ${shellQuote(file)} true`,
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
 * Takes the kernel's exclusive lock on `file`, at once or not at all; the file is made where it is missing.
 * Children do not inherit it. `held`: another process has it, and that process lives. `unavailable`: there
 * is no `flock` program, or the file system has no locks. Throws what opening the file throws.
 */
export async function tryKernelLock(file: string): Promise<KernelLock> {
  const handle = await open(file, 'a', 0o600);
  const outcome = await flock(handle, 0).catch(() => 'no-program' as const);
  if (outcome === 'taken') return { status: 'taken', release: () => handle.close() };
  await handle.close();
  return { status: outcome === 'held' ? 'held' : 'unavailable' };
}

/**
 * Looks whether another process holds the kernel's exclusive lock on `file`, and takes nothing from it: a
 * shared lock for a moment is refused only where there is an exclusive one, so two that look do not see each
 * other. `unavailable` as in tryKernelLock. Throws what opening the file throws; it is not made.
 */
export async function lookAtKernelLock(file: string): Promise<'free' | 'held' | 'unavailable'> {
  const handle = await open(file, 'r');
  try {
    const outcome = await flock(handle, 0, '-s').catch(() => 'no-program' as const);
    if (outcome === 'taken') return 'free';
    return outcome === 'held' ? 'held' : 'unavailable';
  } finally {
    await handle.close();
  }
}

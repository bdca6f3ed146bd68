import path from 'node:path';
import { type BridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import type { Repository } from '../git/run-git.js';
import { DISK, type LogFileSystem } from '../process/durable-file.js';
import { takeFileLock } from '../process/file-lock.js';
import { makeGroupFolder } from '../process/group-files.js';
import { requireSafeLogFolder } from './log-folder.js';

/** What withLog may get from its caller. */
export interface WithLogOptions {
  /** Default: the disk. */
  readonly fs?: LogFileSystem;
  /** Given where the settings were read already. */
  readonly settings?: Promise<BridgeSettings> | undefined;
  /** The lock, where the caller takes it already (lockLog). It is released in any case. */
  readonly lock?: Promise<() => Promise<void>> | undefined;
}

/**
 * Runs `job` with the path of the log while no other ingest of this bridge runs. Throws BridgeError
 * `open-log-folder`, `locked`, or as readBridgeSettings does.
 */
export async function withLog<T>(
  repo: Repository,
  { fs = DISK, settings, lock }: WithLogOptions,
  job: (logPath: string) => Promise<T>,
): Promise<T> {
  // Read while the lock is being taken: each of the two starts a process.
  const reading = settings ?? readBridgeSettings(repo);
  reading.catch(() => {});
  const release = await (lock ?? lockLog(repo, fs));
  try {
    const { answersLog } = await reading;
    requireSafeLogFolder(answersLog, repo.gitDir);
    return await job(answersLog);
  } finally {
    await release();
  }
}

/**
 * Waits until no other ingest of this bridge runs, and takes the lock. Returns the function that releases
 * it.
 */
export async function lockLog(repo: Repository, fs: LogFileSystem = DISK): Promise<() => Promise<void>> {
  const folder = path.join(repo.gitDir, 'bridge');
  await makeGroupFolder(folder, fs);
  return takeFileLock(path.join(folder, 'ingest.lock'));
}

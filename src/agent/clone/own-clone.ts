import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLockOfOurs } from '../../git/ref-files.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { findStaleLocks } from '../../git/stale-locks.js';
import { openClone } from '../../bridge/clone.js';
import { keepFinished } from './finished-answers.js';
import { readFinishedOf } from './rescue-finished.js';

/** What is behind the name of a clone that was set aside. */
const DAMAGED = '.damaged-';

/** How long a git that a killed agent left behind may go on; milliseconds. It holds a lock for moments, a fetch's for as long as it fetches. */
const ORPHAN_MS = 10_000;

/** Where nothing tells which processes run (no `/proc`), a lock counts as left behind after so long; milliseconds. */
const OLD_LOCK_MS = 10 * 60_000;

/**
 * Opens the clone of an agent that holds its state folder: no other agent lives, so what locks a killed git left are cleared, and a clone
 * that was set aside as damaged gives back its finished answers. Throws as openClone does.
 */
export async function openOwnClone(
  gitDir: string,
  env: NodeJS.ProcessEnv,
  onWait: () => void,
): Promise<Repository> {
  await clearLeftLocks(gitDir, onWait);
  const clone = await openClone(gitDir, env);
  await rescueSetAside(clone);
  return clone;
}

/**
 * Removes the locks in a clone that no living git holds; true where there were any and none is left. Nothing of ours may have the clone open. Waits
 * for the git of a killed agent, which may be at its work still; `onWait` is called once then.
 */
export async function clearLeftLocks(gitDir: string, onWait?: () => void): Promise<boolean> {
  let isCleared = false;
  let isTold = false;
  for (const giveUpAt = performance.now() + ORPHAN_MS; ; ) {
    const { stale, unproven } = await findStaleLocks(gitDir);
    const old = unproven.filter(
      (lock) => process.platform !== 'linux' && Date.now() - lock.sinceMs > OLD_LOCK_MS,
    );
    // One that this process is writing this very moment is no git's, and will be gone in the next.
    const left = [...stale, ...old].filter((lock) => !isLockOfOurs(path.join(gitDir, lock.path)));
    for (const lock of left) {
      await rm(path.join(gitDir, lock.path), { recursive: true, force: true });
      isCleared = true;
    }
    if (unproven.length === old.length) return isCleared;
    if (performance.now() > giveUpAt) return false;
    if (!isTold) onWait?.();
    isTold = true;
    await sleep(100);
  }
}

/** Whether git finds nothing wrong with a clone. Reads all of it: only for when something has failed. */
export async function isSound(clone: Repository): Promise<boolean> {
  const args = ['fsck', '--full', '--no-dangling', '--no-progress', '--no-reflogs'];
  return (await runGit(clone, args)).exitCode === 0;
}

/**
 * Sets a damaged clone aside and makes a new one in its place, with its finished answers. A crash at any point leaves it to the next
 * start to go on.
 */
export async function replaceClone(clone: Repository): Promise<void> {
  await rename(clone.gitDir, `${clone.gitDir}${DAMAGED}${randomUUID().slice(0, 8)}`).catch(ifThere);
  await openClone(clone.gitDir, clone.env);
  await rescueSetAside(clone);
}

/** It is removed only when its answers are kept in the new one. */
async function rescueSetAside(clone: Repository): Promise<void> {
  const folder = path.dirname(clone.gitDir);
  const prefix = `${path.basename(clone.gitDir)}${DAMAGED}`;
  for (const name of (await readdir(folder)).filter((one) => one.startsWith(prefix))) {
    const damaged = path.join(folder, name);
    for (const answer of await readFinishedOf(damaged, clone)) await keepFinished(clone, answer);
    await rm(damaged, { recursive: true, force: true, maxRetries: 3 });
  }
}

function ifThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openClone } from '../../bridge/clone.js';
import { openObjectReader } from '../../git/object-reader.js';
import { isLockOfOurs } from '../../git/ref-files.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { findStaleLocks } from '../../git/stale-locks.js';
import { type Answer, readKeptAnswer } from '../../protocol/answer.js';
import { FINISHED_PREFIX, keepFinished } from './finished-answers.js';

/** What follows the name of a clone that was set aside. */
const DAMAGED = '.damaged-';

/** How long a git of a killed agent may hold a lock: a moment, or while it fetches. Milliseconds. */
const ORPHAN_MS = 10_000;

/**
 * Where nothing tells which processes run (no `/proc`), a lock that is older than this is stale.
 * Milliseconds.
 */
const OLD_LOCK_MS = 10 * 60_000;

/**
 * Opens the clone of an agent that holds its state folder. No other agent works there, so the locks that a
 * killed git left are removed, and the finished answers of a clone that was set aside as damaged are taken
 * over. Throws as openClone does.
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
 * Removes the locks in a clone that no running git holds; true where there were any and none is left.
 * Nothing of ours may have the clone open. Waits for the git of a killed agent, which may still be at work;
 * `onWait` is called once then.
 */
export async function clearLeftLocks(gitDir: string, onWait?: () => void): Promise<boolean> {
  let isCleared = false;
  let isTold = false;
  for (const giveUpAt = performance.now() + ORPHAN_MS; ; ) {
    const { stale, unproven } = await findStaleLocks(gitDir);
    const old = unproven.filter(
      (lock) => process.platform !== 'linux' && Date.now() - lock.sinceMs > OLD_LOCK_MS,
    );
    // A lock that this process holds while it writes a ref is not stale, and is gone in a moment.
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

/**
 * git has to find something wrong this often in a row. It lists the objects before it reads the refs, so an
 * object that comes in between, with its ref, is missing to it; the next time it is there.
 */
const MAX_LOOKS = 4;

/** Whether git finds nothing wrong with a clone. Reads all of it: only for when something has failed. */
export async function isSound(clone: Repository): Promise<boolean> {
  const args = ['fsck', '--full', '--no-dangling', '--no-progress', '--no-reflogs'];
  for (let look = 1; look <= MAX_LOOKS; look += 1)
    if ((await runGit(clone, args)).exitCode === 0) return true;
  return false;
}

/**
 * Sets a damaged clone aside and makes a new one in its place, with its finished answers. After a crash at
 * any point the next start goes on from there.
 */
export async function replaceClone(clone: Repository): Promise<void> {
  await rename(clone.gitDir, `${clone.gitDir}${DAMAGED}${randomUUID().slice(0, 8)}`).catch(ifThere);
  await openClone(clone.gitDir, clone.env);
  await rescueSetAside(clone);
}

/**
 * Takes the finished answers of clones that were set aside. Each is removed only when its answers are kept
 * in the new one.
 */
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

/**
 * Reads the finished answers in what is left of a clone, as far as they can be read: the refs from their
 * files, and the objects through `sound`, another repository, because git itself refuses a repository
 * without a good HEAD or config. An answer that cannot be read is generated again.
 */
async function readFinishedOf(damagedDir: string, sound: Repository): Promise<Answer[]> {
  const objects = path.join(damagedDir, 'objects');
  const reader = openObjectReader({
    ...sound,
    env: { ...sound.env, GIT_ALTERNATE_OBJECT_DIRECTORIES: objects },
  });
  const found: Answer[] = [];
  try {
    for (const id of await finishedBlobs(damagedDir)) {
      // git ends at a broken pack; the next read starts it again.
      const blob = await reader.read(id).catch(() => null);
      const answer = readKeptAnswer(blob?.content);
      if (answer !== null) found.push(answer);
    }
  } finally {
    reader.close();
  }
  return found;
}

/** The blobs of finished answers, by files of refs and lines of `packed-refs`; a file wins over a line. */
async function finishedBlobs(gitDir: string): Promise<Iterable<string>> {
  const byTask = new Map<string, string>();
  const packed = await readFile(path.join(gitDir, 'packed-refs'), 'latin1').catch(() => '');
  for (const line of packed.split('\n')) {
    const [, id, task] = /^([0-9a-f]{40,64}) refs\/bridge\/finished\/([0-9a-f]+)$/.exec(line) ?? [];
    if (id !== undefined && task !== undefined) byTask.set(task, id);
  }
  const folder = path.join(gitDir, FINISHED_PREFIX);
  for (const task of await readdir(folder).catch(() => [])) {
    const text = await readFile(path.join(folder, task), 'latin1').catch(() => '');
    const id = /^([0-9a-f]{40,64})\n$/.exec(text)?.[1];
    if (id !== undefined && /^[0-9a-f]+$/.test(task)) byTask.set(task, id);
  }
  return byTask.values();
}

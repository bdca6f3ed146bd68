import { chmod, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { findUnreadable } from '../../git/broken-refs.js';
import { isBrokenRefFile, writeRefFile } from '../../git/ref-files.js';
import { resolveRef } from '../../git/refs.js';
import { type Repository, runGit } from '../../git/run-git.js';
import { readSmallFile, unless } from '../../process/durable-file.js';
import { MAIN_REF } from '../../protocol/names.js';
import { lookAtObjects } from './look-at-objects.js';

/** A main that names nothing that can be read, as a power cut leaves it, and where it can go back to. */
export interface LostMain {
  /** What is wrong with it, as a sentence without its end. */
  readonly said: string;
  /**
   * The last commit of the reflog that is whole and continues the last record of the log, and the ids that
   * main had after it, the oldest first; null where no line of the reflog is proof.
   */
  readonly proof: { readonly id: string; readonly leaves: readonly string[] } | null;
}

/**
 * Finds out whether main is lost: its file says nothing, it is gone, or what its tip brought cannot be read.
 * Null where it is not. `readLastLogged` finds the commit of the last record of `answers.log`; null for an
 * empty log. A commit that does not continue that one would lose an answer that somebody may have read.
 */
export async function findLostMain(
  repo: Repository,
  readLastLogged: () => Promise<string | null>,
): Promise<LostMain | null> {
  const said = await whatIsLost(repo);
  if (said === null) return null;
  const lastLogged = await readLastLogged();
  const ids = reflogIds(repo.gitDir);
  for (let at = ids.length - 1; at >= 0; at -= 1) {
    const id = ids[at] ?? '';
    if ((await isWhole(repo, id)) && (await continues(repo, lastLogged, id)))
      return { said, proof: { id, leaves: ids.slice(at + 1) } };
  }
  return { said, proof: null };
}

/**
 * Points main at the proven commit, and removes the empty files of objects that the power cut has left.
 * False where another process is writing main.
 */
export async function restoreMain(repo: Repository, id: string): Promise<boolean> {
  if ((await writeRefFile(repo.gitDir, MAIN_REF, id)) === 'locked') return false;
  // As git writes the refs of a bridge, whatever our umask (core.sharedRepository).
  await chmod(path.join(repo.gitDir, MAIN_REF), 0o640);
  await removeEmptyObjects(repo.gitDir);
  return true;
}

async function whatIsLost(repo: Repository): Promise<string | null> {
  if (isBrokenRefFile(repo.gitDir, MAIN_REF)) return `the file of ${MAIN_REF} says nothing`;
  const tip = await resolveRef(repo, MAIN_REF);
  if (tip === null) return 'there is no branch main';
  return (await canReadCommit(repo, tip)) ? null : `main is at ${tip.slice(0, 8)}, which cannot be read`;
}

/** Whether a commit, its tree and the files in it can be read to their end. */
async function canReadCommit(repo: Repository, id: string): Promise<boolean> {
  const listed = await runGit(repo, ['rev-list', '--objects', '--no-walk', '--end-of-options', id]);
  if (listed.exitCode !== 0) return false;
  const ids = listed.stdout
    .toString('utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || []);
  return (await findUnreadable(repo, ids)).size === 0;
}

async function isWhole(repo: Repository, id: string): Promise<boolean> {
  return (await canReadCommit(repo, id)) && (await lookAtObjects(repo, id)).status === 'sound';
}

async function continues(repo: Repository, lastLogged: string | null, id: string): Promise<boolean> {
  if (lastLogged === null) return true;
  return (await runGit(repo, ['merge-base', '--is-ancestor', lastLogged, id])).exitCode === 0;
}

/** The ids before and after; who moved main comes next. */
const REFLOG_LINE = /^[0-9a-f]{40,64} ([0-9a-f]{40,64}) /;

/** What main was moved to, the oldest first. HEAD's reflog tells the same where that of main is gone. */
function reflogIds(gitDir: string): string[] {
  for (const name of [`logs/${MAIN_REF}`, 'logs/HEAD']) {
    const text = readSmallFile(path.join(gitDir, name)) ?? '';
    // A power cut may leave zeros, or half a line, at the end.
    const ids = text.split('\n').flatMap((line) => REFLOG_LINE.exec(line)?.[1] ?? []);
    if (ids.length > 0) return ids;
  }
  return [];
}

/**
 * Removes the files of objects that a power cut has emptied: git takes such a file for the object, and would
 * not take in the object itself. It writes an object under another name first, so no empty one is in use.
 */
export async function removeEmptyObjects(gitDir: string): Promise<void> {
  const objects = path.join(gitDir, 'objects');
  for (const folder of await readdir(objects)) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    for (const name of (await readdir(path.join(objects, folder)).catch(unless('ENOENT'))) ?? []) {
      const file = path.join(objects, folder, name);
      const stats = /^[0-9a-f]+$/.test(name) ? await stat(file).catch(unless('ENOENT')) : null;
      if (stats?.size === 0) await rm(file, { force: true });
    }
  }
}

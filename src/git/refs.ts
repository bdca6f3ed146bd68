import { gitMeant } from './git-meaning.js';
import { listRefFiles, type RefAt, readRefFile, writeRefFile } from './ref-files.js';
import { gitFailed, type Repository, runGit } from './run-git.js';

/**
 * The id a ref points at (or any other name of an object, `<ref>:<path>`), or null where there is none.
 * Throws BridgeError as gitFailed makes it where git cannot say: an unreadable repository is not one without
 * a main.
 */
export async function resolveRef(repo: Repository, ref: string): Promise<string | null> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', ref];
  const result = await runGit(repo, args);
  if (result.exitCode === 0) return result.stdout.toString('utf8').trim();
  if (result.exitCode === 1) return null;
  throw gitFailed(args, result);
}

/**
 * The same for the full name of a ref. In a repository of ours its file is read directly. Where there is no
 * file git is asked, because the ref may be packed.
 */
export async function readRef(repo: Repository, ref: string): Promise<string | null> {
  const id = repo.ownIds === undefined ? null : await readRefFile(repo.gitDir, ref);
  return id ?? resolveRef(repo, ref);
}

/** The refs under a prefix (`refs/bridge/answers/`), sorted by name. */
export async function listRefs(repo: Repository, prefix: string): Promise<RefAt[]> {
  if (repo.ownIds !== undefined) return listRefFiles(repo.gitDir, prefix);
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', prefix];
  const result = await runGit(repo, args);
  if (result.exitCode !== 0) throw gitFailed(args, result);
  return result.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const space = line.indexOf(' ');
      return { id: line.slice(0, space), ref: line.slice(space + 1) };
    });
}

/**
 * Sets refs that nobody else changes, each by itself, whatever their old value. `raced` where one is locked
 * by a git that was killed; some refs may be set by then.
 */
export async function setRefs(
  repo: Repository,
  refs: readonly { readonly ref: string; readonly to: string }[],
  reason: string,
): Promise<RefUpdateOutcome> {
  if (repo.ownIds === undefined) return updateRefs(repo, refs, reason);
  // All of them end before a failure is thrown: a caller that tries again must not meet their locks.
  const { gitDir, isDisposable = false } = repo;
  const ended = await Promise.allSettled(
    refs.map(({ ref, to }) => writeRefFile(gitDir, ref, to, { isDisposable })),
  );
  const outcomes = ended.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  return outcomes.includes('locked') ? 'raced' : 'updated';
}

/**
 * One change of a ref. `to` null deletes it; `from` null demands that it does not exist yet; without `from`
 * any old value will do.
 */
export interface RefUpdate {
  readonly ref: string;
  readonly to: string | null;
  readonly from?: string | null;
}

/** `updated`; or `raced` where a ref was not at `from`, or another process was changing it. */
export type RefUpdateOutcome = 'updated' | 'raced';

/**
 * Changes refs in one transaction, with a compare-and-swap for each; `raced` then means that nothing was
 * changed. `reason` goes into the reflog. Throws BridgeError as gitFailed makes it for anything but a lost
 * race (a full disk, no permission).
 */
export async function updateRefs(
  repo: Repository,
  updates: readonly RefUpdate[],
  reason: string,
): Promise<RefUpdateOutcome> {
  const commands = ['start', ...updates.map(updateCommand), 'prepare', 'commit', ''];
  const args = ['update-ref', '-m', reason, '--stdin'];
  const result = await runGit(repo, args, { input: commands.join('\n') });
  if (result.exitCode === 0) return 'updated';
  // A process that holds the lock of a ref is changing it, which is a race as well.
  if (gitMeant('other-value', result.stderr) || gitMeant('ref-locked', result.stderr)) return 'raced';
  throw gitFailed(args, result);
}

function updateCommand(update: RefUpdate): string {
  if (update.to === null) {
    return update.from ? `delete ${update.ref} ${update.from}` : `delete ${update.ref}`;
  }
  if (update.from === undefined) return `update ${update.ref} ${update.to}`;
  return update.from === null
    ? `create ${update.ref} ${update.to}`
    : `update ${update.ref} ${update.to} ${update.from}`;
}

/**
 * Whether `tip`, a ref or an id, is this commit or one on top of it. False also where one of them is not
 * here.
 */
export async function isAncestor(repo: Repository, commit: string, tip: string): Promise<boolean> {
  return (await runGit(repo, ['merge-base', '--is-ancestor', commit, tip])).exitCode === 0;
}

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { gitFailed, gitText, type Repository, runGit } from './run-git.js';

/**
 * Packs these commits and their parents with their trees and files: all that `git log --no-walk` needs to
 * show what each changed. Files larger than `maxFileBytes` are left out. Throws BridgeError as gitFailed
 * makes it.
 */
export async function packCommits(
  repo: Repository,
  ids: readonly string[],
  maxFileBytes: number,
): Promise<Buffer> {
  const only = ['--no-walk=unsorted', '--stdin'];
  const shown = await gitText(repo, ['rev-list', '--parents', ...only], { input: linesOf(ids) });
  const commits = new Set(shown.split(/\s+/).filter((id) => id !== ''));
  // git leaves out what is as large as the limit.
  const files = [`--filter=blob:limit=${maxFileBytes + 1}`, '--objects', '--no-object-names'];
  const objects = await gitText(repo, ['rev-list', ...files, ...only], { input: linesOf(commits) });
  const packing = ['pack-objects', '--stdout', '--quiet', '--threads=1'];
  const pack = await runGit(repo, packing, { input: objects });
  if (pack.exitCode !== 0) throw gitFailed(packing, pack);
  return pack.stdout;
}

/** A pack that was taken in. */
export interface TakenPack {
  /** The same objects have the same name. */
  readonly name: string;
  /** Removes it. Nothing that was fetched since then rests on it: each fetch brings a pack of its own. */
  readonly remove: () => Promise<void>;
}

/**
 * Takes such a pack into a clone that leaves out files. As a promise of the other side: what its commits
 * name may be missing here. Throws BridgeError as gitFailed makes it, where it is no sound pack.
 */
export async function unpackCommits(clone: Repository, pack: Buffer): Promise<TakenPack> {
  const args = ['index-pack', '--stdin', '--promisor', '--fsck-objects'];
  // It can be asked for again.
  const result = await runGit(clone, ['-c', 'core.fsync=none', ...args], { input: pack });
  if (result.exitCode !== 0) throw gitFailed(args, result);
  const [, name = ''] = /([0-9a-f]{40,64})\s*$/.exec(result.stdout.toString('latin1')) ?? [];
  const folder = path.join(clone.gitDir, 'objects', 'pack');
  const remove = async () => {
    // The index first: a pack without one is not looked at.
    for (const end of ['idx', 'rev', 'promisor', 'pack'])
      await rm(path.join(folder, `pack-${name}.${end}`), { force: true });
  };
  return { name, remove };
}

function linesOf(ids: Iterable<string>): string {
  return [...ids, ''].join('\n');
}

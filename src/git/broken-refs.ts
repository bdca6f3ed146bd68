import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { inflateSync } from 'node:zlib';
import { listBrokenRefFiles, listRefFiles, removeBrokenRefFile } from './ref-files.js';
import { gitFailed, type Repository, runGit } from './run-git.js';

/** The prefix of every ref of a bridge outside main. A bridge may lose these refs without harm. */
export const BESIDE_PREFIX = 'refs/bridge/';

/**
 * A ref that git cannot follow. One is enough for git to refuse every push, because git looks at all refs.
 */
export interface BrokenRef {
  readonly ref: string;
  /**
   * `no-id`: its file is empty, full of zeros, or cut short. `no-object`: the object it names is missing or
   * cannot be read.
   */
  readonly kind: 'no-id' | 'no-object';
  /** Null for `no-id`. */
  readonly id: string | null;
}

/**
 * Finds the refs under a prefix that a power cut or a damaged disk has broken, loose or packed. Throws
 * BridgeError `git-killed` or `git-failed` where git cannot say, because that proves nothing about a ref.
 */
export async function findBrokenRefs(repo: Repository, prefix: string): Promise<BrokenRef[]> {
  const noId = await listBrokenRefFiles(repo.gitDir, prefix);
  const refs = (await listRefFiles(repo.gitDir, prefix)).filter(({ ref }) => !noId.includes(ref));
  const lost = await findUnreadable(repo, [...new Set(refs.map(({ id }) => id))]);
  return [
    ...noId.map((ref) => ({ ref, kind: 'no-id' as const, id: null })),
    ...refs.filter(({ id }) => lost.has(id)).map(({ ref, id }) => ({ ref, kind: 'no-object' as const, id })),
  ];
}

/**
 * Which of these objects are missing, or cannot be read to their end. Throws BridgeError `git-killed` or
 * `git-failed`.
 */
export async function findUnreadable(repo: Repository, ids: readonly string[]): Promise<Set<string>> {
  const lost = new Set<string>();
  if (ids.length === 0) return lost;
  const args = ['cat-file', '--batch-check=%(objectname) %(objecttype)'];
  const result = await runGit(repo, args, { input: ids.map((id) => `${id}\n`).join('') });
  if (result.exitCode !== 0) throw gitFailed(args, result);
  for (const [index, line] of result.stdout.toString('utf8').trimEnd().split('\n').entries()) {
    const id = ids[index] ?? '';
    const [, type] = /^[0-9a-f]+ (blob|tree|commit|tag)$/.exec(line) ?? [];
    if (type === undefined || !(await isReadable(repo, type, id))) lost.add(id);
  }
  return lost;
}

async function isReadable(repo: Repository, type: string, id: string): Promise<boolean> {
  const args = ['cat-file', type, id];
  const result = await runGit(repo, args);
  if (result.killedBy) throw gitFailed(args, result);
  return result.exitCode === 0;
}

/**
 * Removes broken refs outside the record, and what is left of their objects as loose files. Returns the refs
 * that it removed.
 */
export async function removeBrokenRefs(
  repo: Repository,
  broken: readonly BrokenRef[],
): Promise<readonly BrokenRef[]> {
  const removed: BrokenRef[] = [];
  for (const one of broken) {
    const isGone =
      one.kind === 'no-id'
        ? (await removeBrokenRefFile(repo.gitDir, one.ref)) === 'removed'
        : (await runGit(repo, ['update-ref', '-d', one.ref, one.id ?? ''])).exitCode === 0;
    if (isGone) removed.push(one);
    if (isGone && one.id !== null) await removeIfNoObject(repo, one.id);
  }
  return removed;
}

/**
 * Removes a damaged loose file. git treats such a file as the object with that name: it would throw away the
 * real object when that comes again, and `git gc` fails at the file.
 */
async function removeIfNoObject(repo: Repository, id: string): Promise<void> {
  const file = path.join(repo.gitDir, 'objects', id.slice(0, 2), id.slice(2));
  const bytes = await readFile(file).catch(() => null);
  if (bytes === null || isObject(bytes, id)) return;
  await rm(file, { force: true });
}

/** Whether a loose file holds the object of that id: the id is the hash of what zlib unpacks. */
function isObject(bytes: Buffer, id: string): boolean {
  try {
    const object = inflateSync(bytes);
    return (
      createHash(id.length === 40 ? 'sha1' : 'sha256')
        .update(object)
        .digest('hex') === id
    );
  } catch {
    return false;
  }
}

/** The sentence that says which ref was removed, and why. */
export function removedRef({ ref, kind, id }: BrokenRef): string {
  return kind === 'no-id'
    ? `removed ${ref}, whose file said nothing`
    : `removed ${ref}, whose object ${id?.slice(0, 8)} is lost`;
}

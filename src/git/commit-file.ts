import { BridgeError } from '../protocol/bridge-error.js';
import { type CommitIdentity, formatCommit, replaceTreeFile, treeOfCommit } from './git-objects.js';
import { looseObjectId, type NewObject, writeLooseObject } from './loose-object.js';
import type { ObjectReader } from './object-reader.js';
import { gitText, type Repository } from './run-git.js';

/** A message about to become a commit. */
export interface FileCommit {
  /** A name at the top of the tree: `inbox.json`. */
  readonly file: string;
  readonly blob: string;
  /** Where the blob is still on its way to the disk: when it is there. The commit is not done before. */
  readonly written?: Promise<unknown>;
  readonly message: string;
  readonly by: CommitIdentity;
}

/** Writes a blob and answers its id. */
export async function writeBlob(repo: Repository, bytes: Uint8Array): Promise<string> {
  const { id, written } = await beginBlob(repo, bytes);
  await written;
  return id;
}

/** The same, but `written` tells when it is on the disk: its id is known before. */
export async function beginBlob(
  repo: Repository,
  bytes: Uint8Array,
): Promise<{ readonly id: string; readonly written: Promise<unknown> }> {
  const writer = openPen(repo);
  const id = await writer.write({ type: 'blob', content: bytes });
  const written = writer.done();
  // Whoever needs it waits for it; that need not be at once.
  written.catch(() => {});
  return { id, written };
}

/**
 * Writes the commit that sets one file on top of `parent` and answers its id. No ref moves, no work tree and no index are
 * used, and the tree is the parent's byte for byte but for that one entry.
 */
export async function writeFileCommit(
  repo: Repository,
  reader: ObjectReader,
  { parent, ...commit }: FileCommit & { readonly parent: string },
): Promise<string> {
  return writeFileCommits(repo, reader, parent, [commit]);
}

/** The same for several, each on top of the one before it. Answers the id of the last, which is `parent` where there is none. */
export async function writeFileCommits(
  repo: Repository,
  reader: ObjectReader,
  parent: string,
  commits: readonly FileCommit[],
): Promise<string> {
  const writer = openPen(repo);
  let tree = commits.length === 0 ? Buffer.alloc(0) : await readTree(repo, reader, parent);
  let tip = parent;
  for (const { file, blob, message, by } of commits) {
    tree = replaceTreeFile(tree, file, blob);
    const treeId = await writer.write({ type: 'tree', content: tree });
    tip = await writer.write({
      type: 'commit',
      content: formatCommit({ tree: treeId, parent: tip, by, message }),
    });
  }
  await Promise.all([writer.done(), ...commits.map((commit) => commit.written)]);
  return tip;
}

async function readTree(repo: Repository, reader: ObjectReader, commit: string): Promise<Buffer> {
  const read = await reader.read(commit);
  const treeId = read === null ? null : treeOfCommit(read.content);
  const tree = treeId === null ? null : await reader.read(treeId);
  if (tree !== null) return tree.content;
  throw new BridgeError(`commit ${commit} or its tree is missing in ${repo.gitDir}`, {
    code: 'missing-object',
    remedy: 'run "git fsck" there; an agent\'s clone can simply be deleted, it is made again',
  });
}

/** So many objects are written at the same time at most: each has a file open. */
const MAX_WRITING = 16;

/** Writes objects, all of which are there once it is done. */
interface Writer {
  /** Answers the id of the object, which may still be on its way to the disk. */
  write(object: NewObject): Promise<string>;
  done(): Promise<unknown>;
}

/** The id of an object is known before it is written, so in a repository of ours nobody waits for one disk write after the other. */
function openPen(repo: Repository): Writer {
  const { gitDir, ownIds, groupReads } = repo;
  const writing: Promise<unknown>[] = [];
  return {
    async write(object) {
      if (ownIds === undefined) return hashObject(repo, object);
      const written = writeLooseObject(gitDir, object, ownIds, groupReads);
      // It is waited for below; an early failure must not count as one that nobody looks at.
      written.catch(() => {});
      writing.push(written);
      if (writing.length >= MAX_WRITING) await Promise.all(writing.splice(0));
      return looseObjectId(object, ownIds);
    },
    done: () => Promise.all(writing),
  };
}

async function hashObject(repo: Repository, { type, content }: NewObject): Promise<string> {
  const args = ['hash-object', '-t', type, '-w', '--stdin', '--no-filters'];
  return (await gitText(repo, args, { input: content })).trim();
}

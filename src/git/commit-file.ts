import { BridgeError } from '../protocol/bridge-error.js';
import { type CommitIdentity, formatCommit, replaceTreeFile, treeOfCommit } from '../protocol/git-objects.js';
import { writeLooseObject } from './loose-object.js';
import type { ObjectReader } from './object-reader.js';
import { gitText, type Repository } from './run-git.js';

/** A message about to become a commit. */
export interface FileCommit {
  readonly parent: string;
  /** A name at the top of the tree: `inbox.json`. */
  readonly file: string;
  readonly blob: string;
  readonly message: string;
  readonly by: CommitIdentity;
}

/** Writes a blob and answers its id. */
export async function writeBlob(repo: Repository, bytes: Uint8Array): Promise<string> {
  return writeObject(repo, 'blob', bytes);
}

/**
 * Writes the commit that sets one file on top of `parent` and answers its id. No ref moves, no work tree and no index are
 * used, and the tree is the parent's byte for byte but for that one entry.
 */
export async function writeFileCommit(
  repo: Repository,
  reader: ObjectReader,
  commit: FileCommit,
): Promise<string> {
  const parent = await reader.read(commit.parent);
  const treeId = parent === null ? null : treeOfCommit(parent.content);
  const tree = treeId === null ? null : await reader.read(treeId);
  if (tree === null) {
    throw new BridgeError(`commit ${commit.parent} or its tree is missing in ${repo.gitDir}`, {
      code: 'missing-object',
      remedy: 'run "git fsck" there; an agent\'s clone can simply be deleted, it is made again',
    });
  }
  const newTree = await writeObject(repo, 'tree', replaceTreeFile(tree.content, commit.file, commit.blob));
  return writeObject(
    repo,
    'commit',
    formatCommit({ tree: newTree, parent: commit.parent, by: commit.by, message: commit.message }),
  );
}

async function writeObject(
  repo: Repository,
  type: 'blob' | 'tree' | 'commit',
  bytes: Uint8Array,
): Promise<string> {
  if (repo.ownIds !== undefined) return writeLooseObject(repo.gitDir, { type, content: bytes }, repo.ownIds);
  const id = await gitText(repo, ['hash-object', '-t', type, '-w', '--stdin', '--no-filters'], {
    input: bytes,
  });
  return id.trim();
}

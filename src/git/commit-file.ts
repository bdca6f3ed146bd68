import { BridgeError } from '../protocol/bridge-error.js';
import { type CommitIdentity, formatCommit, replaceTreeFile, treeOfCommit } from './git-objects.js';
import { looseObjectId, type NewObject, writeLooseObject } from './loose-object.js';
import type { ObjectReader } from './object-reader.js';
import { gitText, type ObjectIds, type Repository } from './run-git.js';
import { writePack } from './write-pack.js';

/** A message to be committed. */
export interface FileCommit {
  /** A name at the top of the tree: `inbox.json`. */
  readonly file: string;
  readonly blob: string;
  /** Resolves when a blob that is still being written is on the disk. The commit waits for it. */
  readonly written?: Promise<unknown>;
  /** The bytes of a blob that is to be written with the commit. */
  readonly content?: Uint8Array;
  readonly message: string;
  readonly by: CommitIdentity;
}

/** Writes a blob and returns its id. */
export async function writeBlob(repo: Repository, bytes: Uint8Array): Promise<string> {
  const { id, written } = await beginBlob(repo, bytes);
  await written;
  return id;
}

/** The same, but the id is returned at once; `written` resolves when the blob is on the disk. */
export async function beginBlob(
  repo: Repository,
  bytes: Uint8Array,
): Promise<{ readonly id: string; readonly written: Promise<unknown> }> {
  const writer = openWriter(repo);
  const id = await writer.write({ type: 'blob', content: bytes });
  const written = writer.done();
  // The caller awaits it, maybe later. Until then a failure must not count as unhandled.
  written.catch(() => {});
  return { id, written };
}

/**
 * Writes the commit that sets one file on top of `parent`, and returns its id. It moves no ref and uses no
 * work tree and no index. The tree is the parent's byte for byte, except for that one entry.
 */
export async function writeFileCommit(
  repo: Repository,
  reader: ObjectReader,
  { parent, ...commit }: FileCommit & { readonly parent: string },
): Promise<string> {
  return writeFileCommits(repo, reader, parent, [commit]);
}

/**
 * The same for several files, each on top of the one before. Returns the last id, which is `parent` for an
 * empty list.
 */
export async function writeFileCommits(
  repo: Repository,
  reader: ObjectReader,
  parent: string,
  commits: readonly FileCommit[],
): Promise<string> {
  return (await writeFileChain(repo, reader, parent, commits)).ids.at(-1) ?? parent;
}

/** Commits that were written. */
export interface WrittenChain {
  /** The id of each, in their order. */
  readonly ids: readonly string[];
  /** All that was written for them; without a blob that was written before. */
  readonly objects: readonly NewObject[];
}

/**
 * The same; returns all that it wrote. Many objects are written as one pack, as git does it with many
 * objects of a push.
 */
export async function writeFileChain(
  repo: Repository,
  reader: ObjectReader,
  parent: string,
  commits: readonly FileCommit[],
): Promise<WrittenChain> {
  const writer = openWriter(repo, commits.length * OBJECTS_EACH);
  const objects: NewObject[] = [];
  const write = (object: NewObject) => {
    objects.push(object);
    return writer.write(object);
  };
  let tree = commits.length === 0 ? Buffer.alloc(0) : await readTree(repo, reader, parent);
  const ids: string[] = [];
  for (const { file, blob, content: bytes, message, by } of commits) {
    if (bytes !== undefined) await write({ type: 'blob', content: bytes });
    tree = replaceTreeFile(tree, file, blob);
    const treeId = await write({ type: 'tree', content: tree });
    const content = formatCommit({ tree: treeId, parent: ids.at(-1) ?? parent, by, message });
    ids.push(await write({ type: 'commit', content }));
  }
  await Promise.all([writer.done(), ...commits.map((commit) => commit.written)]);
  return { ids, objects };
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

/** The most objects that are written at the same time; each has a file open. */
const MAX_WRITING = 16;

/** Writes objects. All of them are on the disk once `done` resolves, except in a disposable repository. */
interface Writer {
  /** Returns the id of the object, which may still be on its way to the disk. */
  write(object: NewObject): Promise<string>;
  done(): Promise<unknown>;
}

/** A commit comes with its tree and its file. */
const OBJECTS_EACH = 3;

/** More objects than this become a pack: git's own limit for what a push brings (`receive.unpackLimit`). */
const UNPACK_LIMIT = 100;

/**
 * The id of an object is known before it is written. So in a repository of ours no disk write waits for
 * another.
 */
function openWriter(repo: Repository, expected = 1): Writer {
  const { gitDir, ownIds } = repo;
  if (ownIds !== undefined && expected > UNPACK_LIMIT) return openPackWriter(repo, ownIds);
  const writing: Promise<unknown>[] = [];
  return {
    async write(object) {
      if (ownIds === undefined) return hashObject(repo, object);
      const written = writeLooseObject(gitDir, object, ownIds, repo);
      // It is awaited below. An early failure must not count as unhandled.
      written.catch(() => {});
      writing.push(written);
      if (writing.length >= MAX_WRITING) await Promise.all(writing.splice(0));
      return looseObjectId(object, ownIds);
    },
    done: () => Promise.all(writing),
  };
}

function openPackWriter(repo: Repository, ids: ObjectIds): Writer {
  const objects = new Map<string, NewObject>();
  return {
    async write(object) {
      const id = looseObjectId(object, ids);
      objects.set(id, object);
      return id;
    },
    done: () => writePack(repo, [...objects.values()], ids),
  };
}

async function hashObject(repo: Repository, { type, content }: NewObject): Promise<string> {
  const args = ['hash-object', '-t', type, '-w', '--stdin', '--no-filters'];
  return (await gitText(repo, args, { input: content })).trim();
}

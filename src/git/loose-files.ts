import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { constants, inflate, inflateSync } from 'node:zlib';
import type { ObjectInfo } from './git-objects.js';
import { parseTree, type TreeEntry, treeOfCommit } from './git-objects.js';
import type { Repository } from './run-git.js';

/** All of a commit, a tree, or a message of a few pages; of what is larger, enough to tell what it is. Bytes of the file. */
const FIRST_READ_BYTES = 4096;

/** What the first line of an object is looked for in: less than this, and zlib's tables may not be through. Bytes of the file. */
const HEADER_IN_BYTES = 512;

/** Any other name is git's to look up. */
const ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** An object that lies in a file of its own. */
export interface LooseObject {
  readonly info: ObjectInfo;
  /** Null where it is larger than was asked for. */
  readonly content: Buffer | null;
}

/**
 * Reads an object without git, where it is loose: in a file of its own, as every push of few objects leaves them. Null where it is not (it is in a
 * pack, or nowhere), and wherever the file is not as git writes it today: git has the last word on those.
 */
export async function readLooseObject(
  repo: Repository,
  id: string,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<LooseObject | null> {
  if (!ID.test(id)) return null;
  for (const folder of objectFolders(repo)) {
    const file = path.join(folder, id.slice(0, 2), id.slice(2));
    const head = readHead(file);
    if (head === null) continue;
    const header = parseHeader(head);
    if (header === null) return null;
    const info = { id, type: header.type, size: header.size };
    if (header.size > maxBytes) return { info, content: null };
    const content = await unpack(file, head, header);
    return content === null ? null : { info, content };
  }
  return null;
}

/** The id of a file at the top of the tree of a commit; null where that cannot be told without git. */
export async function looseIdOf(repo: Repository, commit: string, file: string): Promise<string | null> {
  const treeId = await readLooseTreeId(repo, commit);
  const entries = treeId === null ? null : await readLooseTree(repo, treeId);
  return entries?.find((entry) => entry.name === file)?.id ?? null;
}

/** The tree of a commit of any kind; null where that cannot be told without git. */
export async function readLooseTreeId(
  repo: Repository,
  commit: string,
  maxBytes?: number,
): Promise<string | null> {
  const object = await readLooseObject(repo, commit, maxBytes);
  return object?.info.type === 'commit' && object.content !== null ? treeOfCommit(object.content) : null;
}

/** The entries of a tree; null where it is larger than that, or cannot be read without git. */
export async function readLooseTree(
  repo: Repository,
  id: string,
  maxBytes?: number,
): Promise<TreeEntry[] | null> {
  const tree = await readLooseObject(repo, id, maxBytes);
  if (tree?.info.type !== 'tree' || tree.content === null) return null;
  try {
    return parseTree(tree.content, id.length / 2);
  } catch {
    return null;
  }
}

/** Where objects are, as git's own variables say inside a hook; else in the repository. */
function objectFolders({ gitDir, env }: Repository): string[] {
  const own = env.GIT_OBJECT_DIRECTORY ?? 'objects';
  const others = env.GIT_ALTERNATE_OBJECT_DIRECTORIES?.split(path.delimiter) ?? [];
  // One that is quoted has an odd name, which git may read.
  return [own, ...others]
    .filter((folder) => folder !== '' && !folder.startsWith('"'))
    .map((folder) => path.resolve(gitDir, folder));
}

/**
 * The first bytes of a file; null where there is none, or it cannot be read. Not by the thread pool: three calls on a small file that was
 * just written take less time than one way to the pool and back.
 */
function readHead(file: string): Buffer | null {
  let handle: number | null = null;
  try {
    handle = openSync(file, 'r');
    const bytes = Buffer.allocUnsafe(FIRST_READ_BYTES);
    return bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, 0));
  } catch {
    return null;
  } finally {
    if (handle !== null) closeSync(handle);
  }
}

interface Header {
  readonly type: ObjectInfo['type'];
  /** Bytes of the content. */
  readonly size: number;
  /** Bytes of the header itself. */
  readonly length: number;
}

function parseHeader(head: Buffer): Header | null {
  const start = inflated(head.subarray(0, HEADER_IN_BYTES), { finishFlush: constants.Z_SYNC_FLUSH });
  const match = /^(blob|tree|commit|tag) (0|[1-9][0-9]{0,14})\0/.exec(start?.toString('latin1', 0, 32) ?? '');
  if (match === null) return null;
  const [all, type = '', size = ''] = match;
  return { type: type as ObjectInfo['type'], size: Number(size), length: all.length };
}

async function unpack(file: string, head: Buffer, header: Header): Promise<Buffer | null> {
  const bytes = header.length + header.size;
  const options = { maxOutputLength: Math.max(bytes, 1) };
  const all =
    head.length < FIRST_READ_BYTES
      ? inflated(head, options)
      : await readFile(file)
          .then((packed) => promisify(inflate)(packed, options))
          .catch(() => null);
  return all?.length === bytes ? all.subarray(header.length) : null;
}

function inflated(bytes: Buffer, options: Parameters<typeof inflateSync>[1]): Buffer | null {
  try {
    return inflateSync(bytes, options);
  } catch {
    return null;
  }
}

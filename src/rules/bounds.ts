import { parentsOfCommit, parseTree, treeOfCommit } from '../git/git-objects.js';
import { MAX_COMMIT_BYTES, MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import { MAIN_REF, shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { IncomingObjects } from './incoming-objects.js';
import type { PushContext } from './push-context.js';
import { MAX_REFS_PER_PUSH } from './pushed-refs.js';

/** Each commit brings itself, its tree and its blob, and a base for each of these that came as a delta. */
export const MAX_OBJECTS = 6 * MAX_COMMITS_PER_PUSH;

/**
 * The most objects that are listed of a push without main. It needs one blob for each ref; the rest is there
 * so that a refusal can name the object that does not belong.
 */
export const MAX_SIDE_OBJECTS = 2 * MAX_REFS_PER_PUSH;

/** How many bytes a tree may be larger than main's: room for the entries that main does not have yet. */
const TREE_SLACK_BYTES = 128;

/** What the bounds may look at: no commit has been read yet. */
export type Unread = Pick<PushContext, 'repo' | 'reader' | 'update' | 'citations'>;

/**
 * Runs before git walks through what came in, and returns the list of it. Allows few objects, small commits,
 * and no tree with folders that main does not have. `git log` walks folders one by one, and ten nested trees
 * of ten entries each look to it like ten thousand million files.
 */
export async function boundIncoming(
  push: Unread & { readonly incoming: IncomingObjects | null },
): Promise<Refusal | IncomingObjects> {
  const { reader, update, incoming, citations } = push;
  if (incoming === null) {
    return {
      code: 'limit',
      text: `more than ${MAX_OBJECTS} objects in one push`,
      remedy: 'push in parts, and nothing but the messages',
    };
  }
  if ((await reader.info(update.newId)) === null) {
    return {
      code: 'internal',
      text: `commit ${shortId(update.newId)} did not come with the push`,
      remedy: 'push again, from a clone that git fsck finds whole',
    };
  }
  const main = await rootTree(push, MAIN_REF);
  const folders = new Set((main?.entries ?? []).filter(isFolder).map(asText));
  const maxTreeBytes = (main?.size ?? 0) + TREE_SLACK_BYTES;
  for (const id of [...incoming.loose, ...incoming.packed]) {
    const info = await reader.info(id);
    if (info?.type !== 'commit') continue;
    // A base that git copied in to complete a delta was here before.
    if ((await citations.came(id)) !== 'yes') continue;
    if (info.size > MAX_COMMIT_BYTES) {
      return {
        code: 'limit',
        text: `${await nameOf(push, id)} has ${info.size} bytes; the limit is ${MAX_COMMIT_BYTES}`,
        remedy: 'a short commit message; the text belongs in the file',
      };
    }
    for (const parent of await parentsOf(push, id)) {
      if ((await reader.info(parent)) !== null) continue;
      const base = (await citations.isTheirs(id)) ? shortId(parent) : 'one';
      return {
        code: 'stale',
        text: `${await nameOf(push, id)} is on top of ${base}, which is not here`,
        remedy: 'fetch, and build on the tip of main',
      };
    }
    const tree = await rootTree(push, id, maxTreeBytes);
    const folder = tree?.entries.find((entry) => isFolder(entry) && !folders.has(asText(entry)));
    if (tree === null || folder !== undefined) {
      const isTreeTheirs = tree !== null && (await citations.isTheirs(tree.id));
      const name = isTreeTheirs ? folder?.name.slice(0, 64) : undefined;
      const what = name === undefined ? 'a tree' : `a folder ${JSON.stringify(name)}`;
      return {
        code: 'shape',
        text: `${await nameOf(push, id)} has ${what} with more in it than main and one message`,
        remedy: 'one message a commit, and no other files',
      };
    }
  }
  return incoming;
}

/**
 * The same for a push without main: only the blobs that the new refs point at may come in. git makes no thin
 * pack of blobs alone, so it had no base to copy in.
 */
export async function boundSideIncoming(
  push: Pick<PushContext, 'reader' | 'besides' | 'citations'>,
  incoming: IncomingObjects | null,
): Promise<Refusal | null> {
  const foreign = [...(incoming?.loose ?? []), ...(incoming?.packed ?? [])].find(
    (id) => !push.besides.has(id),
  );
  if (incoming !== null && foreign === undefined) return null;
  const what = foreign === undefined ? 'more objects than refs' : await nameOf(push, foreign);
  return {
    code: 'shape',
    text: `${what} came along and belongs to no claim`,
    remedy: 'push from a clone made by git; nothing but the blobs of claims comes in',
  };
}

/** Describes an object that came with the push, in words for its pusher. */
export async function nameOf(push: Pick<PushContext, 'reader' | 'citations'>, id: string): Promise<string> {
  const type = (await push.reader.info(id))?.type ?? 'object';
  return (await push.citations.isTheirs(id)) ? `the ${type} ${shortId(id)}` : `a ${type}`;
}

async function parentsOf({ reader }: Unread, commit: string): Promise<string[]> {
  return parentsOfCommit((await reader.read(commit))?.content ?? Buffer.alloc(0));
}

type Entry = ReturnType<typeof parseTree>[number];

async function rootTree(
  { reader, update }: Unread,
  commit: string,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<{ id: string; entries: Entry[]; size: number } | null> {
  const object = await reader.read(commit);
  const id = object === null ? null : treeOfCommit(object.content);
  const tree = id === null ? null : await reader.read(id, maxBytes);
  if (id === null || tree === null) return null;
  return { id, entries: parseTree(tree.content, update.newId.length / 2), size: tree.content.length };
}

function isFolder(entry: Entry): boolean {
  return /^0*40/.test(entry.mode);
}

function asText(entry: Entry): string {
  return `${entry.mode} ${entry.id} ${entry.name}`;
}

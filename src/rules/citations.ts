import { parseTree, treeOfCommit } from '../git/git-objects.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import type { RefAt } from '../git/ref-files.js';
import { listRefs } from '../git/refs.js';
import { type Repository, streamGit } from '../git/run-git.js';
import type { Principal } from '../protocol/names.js';
import { MAIN_REF } from '../protocol/names.js';
import type { IncomingObjects } from './incoming-objects.js';
import { type PackCopyContext, readPackCopy } from './pack-copy.js';

/** `unknown`: nothing shows that it came, and there is no copy of the pack to look into. */
export type Came = 'yes' | 'no' | 'unknown';

/**
 * What a push may name. git accepts any object of the store, whoever sent it. Without this rule, a pusher
 * who knows the id of an object that the owner keeps beside main could put it on main, or learn about it
 * from a refusal. So a push may name only what it sent and what every key can fetch. The owner may name
 * anything.
 */
export interface Citations {
  /**
   * Whether the pusher sent this object:
   *
   * | it is | in the copy of the pack | not in it | no copy |
   * | --- | --- | --- | --- |
   * | loose, and new with this push | yes | yes | yes |
   * | packed with this push, not here before | yes | yes | yes |
   * | packed with this push, here before: a base that git copied in, or sent again | yes | no | unknown |
   * | not of this push | | no | unknown |
   *
   * For the owner everything counts as sent.
   */
  came(id: string): Promise<Came>;
  /**
   * Like `came`, but also `yes` for what every key can fetch: main as it is now, all that main ever
   * had in `file`, claims, presences and models.
   */
  mayCite(id: string, file?: string): Promise<Came>;
  /**
   * Whether a refusal may say the id of an object and what is in it: only where its bytes were in
   * the pack. With deltas, git also makes objects from what the owner keeps; a few secret bytes
   * are soon guessed from such an id.
   */
  isTheirs(id: string): Promise<boolean>;
  /** Whether the object was here before the push. */
  wasHere(id: string): Promise<boolean>;
  close(): void;
}

/** What the citations are worked out from. */
export interface CitationsContext extends PackCopyContext {
  /** Null: the owner. */
  readonly principal: Principal | null;
  readonly incoming: IncomingObjects;
}

/**
 * How many commits of main are searched for a blob, the newest first. The search takes a second or
 * two, and any pusher can cause it.
 */
const MAX_SEARCHED = 100_000;

/** How long the ids, letter and path of one change can be. A change may arrive in two pieces. */
const MAX_CHANGE_CHARS = 256;

/** Opens the citations. Nothing is read before it is needed. */
export function openCitations(context: CitationsContext): Citations {
  const { repo, reader, principal, incoming } = context;
  const loose = new Set(incoming.loose);
  const packed = new Set(incoming.packed);
  const shownOnMain = once(() => readTip(reader));
  const sent = once(() => readPackCopy(context, shownOnMain));
  const shownBesides = once(async () => new Set((await listRefs(repo, 'refs/bridge/')).flatMap(idOfShown)));
  let before: ObjectReader | null = null;

  async function wasHere(id: string): Promise<boolean> {
    before ??= openObjectReader(withoutQuarantine(repo));
    return (await before.info(id)) !== null;
  }

  async function came(id: string): Promise<Came> {
    // git writes no file for an object that it has, so a loose object is new and not a secret of the owner.
    if (principal === null || loose.has(id)) return 'yes';
    const ids = await sent();
    if (ids?.has(id)) return 'yes';
    // The packed objects include the bases that git copied in from what was here.
    if (packed.has(id) && !(await wasHere(id))) return 'yes';
    return ids === null ? 'unknown' : 'no';
  }

  return {
    came,
    async mayCite(id, file) {
      if (principal === null || loose.has(id)) return 'yes';
      if ((await shownOnMain()).has(id)) return 'yes';
      const isSent = await came(id);
      if (isSent === 'yes' || (await shownBesides()).has(id)) return 'yes';
      return file !== undefined && (await wasInFile(repo, id, file)) ? 'yes' : isSent;
    },
    isTheirs: async (id) => principal === null || ((await sent())?.has(id) ?? false),
    wasHere,
    close: () => before?.close(),
  };
}

function once<T>(job: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= job();
    return result;
  };
}

/** What git leaves out of a push: the commit at the tip of main, its tree, and the entries of that tree. */
async function readTip(reader: ObjectReader): Promise<ReadonlySet<string>> {
  const commit = await reader.read(MAIN_REF);
  const treeId = commit === null ? null : treeOfCommit(commit.content);
  const tree = treeId === null ? null : await reader.read(treeId);
  if (commit === null || tree === null) return new Set();
  const entries = parseTree(tree.content, commit.info.id.length / 2);
  return new Set([commit.info.id, tree.info.id, ...entries.map((entry) => entry.id)]);
}

/** Claims, presences and models are advertised to every key; our other refs are not. */
function idOfShown({ ref, id }: RefAt): string[] {
  return /^refs\/bridge\/(?:claims|agents|models)\//.test(ref) ? [id] : [];
}

/** The parts of a change: the old id, the new id, a letter, the path. */
const CHANGE = / ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [A-Z]\0([^\0]+)\0/g;

/**
 * Whether main ever had this blob in this file. A git with bitmaps does not send what is anywhere in main.
 */
async function wasInFile(repo: Repository, id: string, file: string): Promise<boolean> {
  const args = [
    ...['log', '--first-parent', '--raw', '-z', '--no-abbrev', '--no-renames', '--no-ext-diff', '--format='],
    // Not limited to the file: git would walk the commits that do not touch it without counting them.
    ...[`--max-count=${MAX_SEARCHED}`, MAIN_REF],
  ];
  let last = '';
  for await (const text of streamGit(repo, args)) {
    for (const [, before, after, path] of (last + text).matchAll(CHANGE)) {
      if (path === file && (before === id || after === id)) return true;
    }
    last = text.slice(-MAX_CHANGE_CHARS);
  }
  return false;
}

function withoutQuarantine(repo: Repository): Repository {
  const {
    GIT_QUARANTINE_PATH: _path,
    GIT_OBJECT_DIRECTORY: _objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: _alternates,
    ...env
  } = repo.env;
  return { ...repo, env };
}

import path from 'node:path';
import { readSmallFile } from '../process/durable-file.js';
import type { FileChange, HistoryCommit } from '../protocol/history.js';
import { MAX_COMMIT_BYTES } from '../protocol/limits.js';
import { type PlainCommit, parsePlainCommit, type TreeEntry } from './git-objects.js';
import { readLooseObject, readLooseTree, readLooseTreeId } from './loose-files.js';
import { idOfName } from './ref-files.js';
import type { Repository } from './run-git.js';

/** So many commits are looked at before git is asked, which reads many at once faster than this. */
const MAX_STEPS = 16;

/** The tree of a bridge has a handful of files; one that is larger than this was not made by us. */
const MAX_TREE_BYTES = 4096;

/**
 * The commits from `from` back to `not`, which is left out; `<id>^@`, what is behind that commit, is understood too. The same as `git log` tells of
 * them, the oldest first, without a process; null wherever that is not certain: where one is not loose, has not exactly one parent and one
 * changed file, is written in any other way than plainly, or is the edge of a shallow clone; and where they are more than a few.
 */
export async function readLooseHistory(
  repo: Repository,
  { from, not }: { readonly from: string; readonly not: string },
): Promise<HistoryCommit[] | null> {
  if (repo.env.GIT_SHALLOW_FILE) return null;
  const behind = not.endsWith('^@') ? not.slice(0, -2) : null;
  const tip = await idOfName(repo.gitDir, from);
  const end = behind ?? (await idOfName(repo.gitDir, not));
  const edges = readSmallFile(path.join(repo.gitDir, 'shallow'));
  if (tip === null || end === null) return null;
  const found: HistoryCommit[] = [];
  let after: TreeEntry[] | null = null;
  for (let id = tip; id !== end || behind !== null; ) {
    const commit = await readCommit(repo, id);
    if (commit === null || edges?.includes(id) || found.length === MAX_STEPS) return null;
    after ??= await readLooseTree(repo, commit.tree, MAX_TREE_BYTES);
    const before = await readTree(repo, commit.parent);
    const change = before === null || after === null ? null : changeOf(before, after);
    if (change === null) return null;
    found.push(asHistory(id, commit, change));
    if (id === end) break;
    id = commit.parent;
    after = before;
  }
  return found.reverse();
}

async function readCommit(repo: Repository, id: string): Promise<PlainCommit | null> {
  const object = await readLooseObject(repo, id, MAX_COMMIT_BYTES);
  return object?.info.type === 'commit' && object.content !== null ? parsePlainCommit(object.content) : null;
}

/** The tree of a commit of any kind. */
async function readTree(repo: Repository, commit: string): Promise<TreeEntry[] | null> {
  const id = await readLooseTreeId(repo, commit, MAX_COMMIT_BYTES);
  return id === null ? null : readLooseTree(repo, id, MAX_TREE_BYTES);
}

/** The one file in which two trees differ; null where that is not all, or is no plain file. */
function changeOf(before: readonly TreeEntry[], after: readonly TreeEntry[]): FileChange | null {
  const old = new Map(before.map((entry) => [entry.name, entry]));
  const changed = after.filter((entry) => {
    const was = old.get(entry.name);
    return was?.id !== entry.id || was.mode !== entry.mode;
  });
  const [entry, ...more] = changed;
  if (entry === undefined || more.length > 0) return null;
  const was = old.get(entry.name);
  const isAllElseThere = after.length === before.length + (was === undefined ? 1 : 0);
  const isPlain = entry.mode === '100644' && (was === undefined || was.mode === '100644');
  if (!isAllElseThere || !isPlain) return null;
  return {
    path: Buffer.from(entry.name, 'latin1').toString('utf8'),
    oldMode: was?.mode ?? '000000',
    newMode: entry.mode,
    oldId: was?.id ?? '0'.repeat(entry.id.length),
    newId: entry.id,
  };
}

function asHistory(id: string, commit: PlainCommit, change: FileChange): HistoryCommit {
  return {
    id,
    parents: [commit.parent],
    committedAtMs: commit.committedAtMs,
    author: commit.author,
    subject: commit.subject,
    taskTrailer: commit.trailers.get('task') ?? '',
    taskHashTrailer: commit.trailers.get('task-hash') ?? '',
    statusTrailer: commit.trailers.get('status') ?? '',
    changes: [change],
  };
}

import type { ObjectReader } from '../git/object-reader.js';
import { treeOfCommit } from '../git/git-objects.js';
import type { HistoryCommit } from '../protocol/history.js';

/** The ids of what these commits brought: themselves, their trees, and the files they set. */
export async function objectsOf(reader: ObjectReader, commits: readonly HistoryCommit[]): Promise<string[]> {
  const ids: string[] = [];
  for (const commit of commits) {
    const object = await reader.read(commit.id);
    const tree = object === null ? null : treeOfCommit(object.content);
    ids.push(commit.id, ...(tree === null ? [] : [tree]), ...commit.changes.map((change) => change.newId));
  }
  return ids;
}

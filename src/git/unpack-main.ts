import { REMOTE_MAIN_REF } from './fetch.js';
import { parentsOfCommit } from './git-objects.js';
import type { ObjectReader } from './object-reader.js';
import { setRefs } from './refs.js';
import { type Repository, runGit, UNSYNCED } from './run-git.js';

/** The most commits between what a clone has and what a pack brings it to. A fetch takes more. */
const MAX_COMMITS = 64;

/** A move of main, with what it brings. */
export interface BroughtMain {
  /** What the clone has of main. */
  readonly from: string;
  readonly to: string;
  /** Everything that `to` needs and `from` does not. */
  readonly pack: Buffer;
}

/**
 * Takes what is new on main into a clone that has the rest, and moves REMOTE_MAIN_REF. git checks each
 * object and that none is missing, as in a fetch. False where the pack is not sound, or `to` does not
 * continue `from`: then the clone has main where it was. Nothing waits for the disk: it can be fetched
 * again.
 */
export async function unpackMain(
  clone: Repository,
  reader: ObjectReader,
  { from, to, pack }: BroughtMain,
): Promise<boolean> {
  const unpacking = [...UNSYNCED, 'unpack-objects', '-q', '--strict'];
  if ((await runGit(clone, unpacking, { input: pack })).exitCode !== 0) return false;
  if (!(await continues(reader, from, to))) return false;
  const moved = { ref: REMOTE_MAIN_REF, to };
  return (await setRefs({ ...clone, isDisposable: true }, [moved], 'fetch')) === 'updated';
}

/** Whether `from` is `to`, or behind it. */
async function continues(reader: ObjectReader, from: string, to: string): Promise<boolean> {
  const seen = new Set([to]);
  for (const commit of seen) {
    if (commit === from) return true;
    const read = seen.size > MAX_COMMITS ? null : await reader.read(commit);
    if (read?.info.type !== 'commit') return false;
    for (const parent of parentsOfCommit(read.content)) seen.add(parent);
  }
  return false;
}

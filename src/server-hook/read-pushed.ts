import { readLooseHistory } from '../git/loose-history.js';
import type { ObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import type { HistoryCommit } from '../protocol/history.js';
import { MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import { MAIN_REF } from '../protocol/names.js';

/**
 * How many commits git is asked for at first, where they are no few loose ones. On a bridge that is not busy, the task that is answered is
 * among them, and one git process tells all; more would cost every push more than a second process costs a few.
 */
const FIRST_LOOK = 16;

/**
 * The commits behind main up to `tip`, the oldest first, and the newest of main as far as they came along. What main has is judged
 * already. Of too many, one more is read than is allowed.
 */
export async function readPushed(
  repo: Repository,
  reader: ObjectReader,
  tip: string,
): Promise<{ commits: readonly HistoryCommit[]; recent: readonly HistoryCommit[] }> {
  const main = await reader.info(MAIN_REF);
  const few = main === null ? null : await readLooseHistory(repo, { from: tip, not: main.id });
  if (few !== null) return { commits: few, recent: few };
  const recent = await readHistory(repo, { from: [tip], maxCount: FIRST_LOOK });
  const at = recent.findIndex((commit) => commit.id === main?.id);
  if (at >= 0) return { commits: recent.slice(at + 1), recent };
  const commits = await readHistory(repo, {
    from: [tip],
    not: [MAIN_REF],
    maxCount: MAX_COMMITS_PER_PUSH + 1,
  });
  return { commits, recent: [] };
}

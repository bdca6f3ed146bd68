import { walkHistory } from '../git/read-history.js';
import { readRefFile } from '../git/ref-files.js';
import { resolveRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { HistoryCommit } from '../protocol/history.js';
import { MAIN_REF } from '../protocol/names.js';

/**
 * The commits of `main` behind `last`, the oldest first; all of them where it is null. Throws BridgeError `log-not-of-history`
 * before it yields any, where `last` is not on main.
 */
export async function* walkMainSince(repo: Repository, last: string | null): AsyncGenerator<HistoryCommit> {
  if (last === null) {
    yield* walkHistory(repo, { from: [MAIN_REF] });
    return;
  }
  if (await isTip(repo, last)) return;
  // A commit that exists but is not on main (main was set back by hand, the log is a copy's) can be walked from as well;
  // going on behind it would number other answers than history does.
  let isOnMain = false;
  try {
    for await (const commit of walkHistory(repo, { from: [MAIN_REF], not: [last] })) {
      if (!isOnMain && commit.parents[0] !== last) throw notOfHistory(last);
      isOnMain = true;
      yield commit;
    }
  } catch (cause) {
    // git fails where it has no such commit.
    throw isOnMain || !(cause instanceof BridgeError) || cause.code !== 'git-failed'
      ? cause
      : notOfHistory(last, cause);
  }
  if (!isOnMain && (await resolveRef(repo, MAIN_REF)) !== last) throw notOfHistory(last);
}

/** Whether main is known to stand there. Told by the file of its ref, without a git process; where it has none, it is not known. */
async function isTip(repo: Repository, commit: string): Promise<boolean> {
  return (await readRefFile(repo.gitDir, MAIN_REF)) === commit;
}

function notOfHistory(last: string, cause?: unknown): BridgeError {
  return new BridgeError(`answers.log ends with commit ${last}, which is not in the history of main`, {
    code: 'log-not-of-history',
    remedy:
      'if the log is not of this bridge, move it away and run "llm-bridge ingest"; else look at "git fsck"',
    cause,
  });
}

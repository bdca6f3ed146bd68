import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { isMessageOfProtocol1 } from '../../protocol/commit-message.js';
import { formatAge } from '../../protocol/duration.js';
import { MAIN_REF } from '../../protocol/names.js';
import { ok, type Verdict, warning } from './finding.js';

/** For so long after its last question an old asker is spoken of. */
const LOOK_BACK_MS = 7 * 86_400_000;

/**
 * Warns of an asker of protocol 1. Over ssh the server's hello tells it what to update. On the server itself
 * it writes to the repository and reads the log, as ever: nothing tells it, so the owner is told.
 */
export async function checkAskers(repo: Repository, nowMs: number): Promise<Verdict> {
  const range = { from: [MAIN_REF], sinceMs: nowMs - LOOK_BACK_MS, messageLike: '^ask [0-9a-f]\\{8\\}: ' };
  const last = (await readHistory(repo, range)).findLast(isMessageOfProtocol1);
  if (last === undefined) return ok('no program of protocol 1 asks here');
  const age = formatAge(Math.max(0, nowMs - last.committedAtMs));
  return warning(
    `a program of protocol 1 asks here as ${last.author}, the last time ${age} ago; it gets its answers, but not what is new since`,
    'update the llm-bridge that this program starts: git pull && npm ci && npm run build in its folder',
  );
}

import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { formatAge } from '../../protocol/duration.js';
import type { HistoryCommit } from '../../protocol/history.js';
import { MAIN_REF } from '../../protocol/names.js';
import { ok, type Verdict, warning } from './finding.js';

/** For so long after its last message a program of protocol 1 is spoken of. */
const LOOK_BACK_MS = 7 * 86_400_000;

/** An agent of protocol 1 is among the last answers, or it has little to say here. */
const LAST_ANSWERS = 200;

/**
 * Warns of programs of protocol 1. Over ssh the server's hello tells each what to update. On the server
 * itself they use the repository and the log as ever: nothing tells them, so the owner is told.
 */
export async function checkProtocol(repo: Repository, nowMs: number): Promise<Verdict[]> {
  const range = { from: [MAIN_REF], sinceMs: nowMs - LOOK_BACK_MS };
  const asks = await readHistory(repo, { ...range, messageLike: '^ask [0-9a-f]\\{8\\}: ' });
  const answers = await readHistory(repo, { ...range, messageLike: '^answer ', maxCount: LAST_ANSWERS });
  const verdicts = [
    { does: 'asks', commits: asks },
    { does: 'answers', commits: answers },
  ].flatMap(({ does, commits }) => {
    const last = commits.findLast(isOfProtocol1);
    if (last === undefined) return [];
    const age = formatAge(Math.max(0, nowMs - last.committedAtMs));
    return [
      warning(
        `a program of protocol 1 ${does} here as ${last.author}, the last time ${age} ago; nothing is lost, but it does not know what is new since`,
        'update the llm-bridge that this program starts: git pull && npm ci && npm run build in its folder',
      ),
    ];
  });
  return verdicts.length > 0 ? verdicts : [ok('no program of protocol 1 works here')];
}

/**
 * Whether a program of protocol 1 made this commit: it wrote 8 digits of the hash, not those of the task.
 */
function isOfProtocol1({ subject, taskTrailer, taskHashTrailer }: HistoryCommit): boolean {
  const digits = /^(?:ask|answer) ([0-9a-f]{8}): /.exec(subject)?.[1];
  if (digits === undefined || taskTrailer.startsWith(digits)) return false;
  return taskHashTrailer.startsWith(digits);
}

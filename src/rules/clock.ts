import { formatDuration } from '../protocol/duration.js';
import { isDateAllowed } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { PushContext } from './push-context.js';

/**
 * The date of a commit is close to the server's clock. The date of a task decides when it expires. Shallow
 * clones stop at a date, so dates along main must hardly ever run backwards.
 */
export function clockRule(push: PushContext): Refusal | null {
  for (const commit of push.commits) {
    if (isDateAllowed(commit.committedAtMs, push.nowMs)) continue;
    const aheadMs = commit.committedAtMs - push.nowMs;
    const off = `${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
    return {
      code: 'clock',
      text: `commit ${shortId(commit.id)} is dated ${off} the server's clock (${new Date(push.nowMs).toISOString()})`,
      remedy: 'set the clock of your machine, then git commit --amend --no-edit and push again',
    };
  }
  return null;
}

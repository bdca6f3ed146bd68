import { shortId } from '../../protocol/names.js';
import type { Denial, PushContext } from '../push-context.js';

/** A commit that came in with a key is by the name of that key, so that the audit trail tells who asked and who answered. */
export function authorRule(push: PushContext): Denial | null {
  const { principal } = push;
  if (principal === null) return null;
  const wrong = push.commits.find((commit) => commit.author !== principal.name);
  if (wrong === undefined) return null;
  return {
    code: 'author',
    text: `commit ${shortId(wrong.id)} is by ${JSON.stringify(wrong.author.slice(0, 64))}, the key is ${principal.name}'s`,
    remedy: `git -c user.name=${principal.name} commit --amend --no-edit --reset-author`,
  };
}

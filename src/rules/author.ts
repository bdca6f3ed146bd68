import { shortId } from '../protocol/names.js';
import { readPlainCommit } from '../protocol/plain-commit.js';
import type { Refusal } from '../protocol/refusal.js';
import type { PushContext } from './push-context.js';

/**
 * A commit that came in with a key has the name of that key as its author and its committer. So the audit
 * trail shows who asked and who answered. Runs after commitRule.
 */
export async function authorRule(push: PushContext): Promise<Refusal | null> {
  const { principal } = push;
  if (principal === null) return null;
  for (const { id } of push.commits) {
    const object = await push.reader.read(id);
    const read = readPlainCommit(object?.content ?? Buffer.alloc(0));
    const { author, committer } = read.ok ? read.value : {};
    if (author?.name === principal.name && committer?.name === principal.name) continue;
    const wrong = author?.name === principal.name ? committer?.name : author?.name;
    return {
      code: 'author',
      text: `commit ${shortId(id)} is by ${JSON.stringify((wrong ?? '').slice(0, 64))}, the key is ${principal.name}'s`,
      remedy: `git -c user.name=${principal.name} commit --amend --no-edit --reset-author`,
    };
  }
  return null;
}

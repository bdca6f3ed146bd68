import { MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import { MAIN_REF, shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { PushContext } from './push-context.js';

/**
 * The new commits are a straight line of bounded length on top of main as it is now: no merge, no root, no
 * rewriting.
 */
export async function chainRule(push: PushContext): Promise<Refusal | null> {
  const { update, commits } = push;
  const main = await push.reader.info(MAIN_REF);
  if (main?.id !== update.oldId) {
    return { code: 'stale', text: 'main has moved meanwhile', remedy: 'fetch, and push again on top of it' };
  }
  if (commits.length > MAX_COMMITS_PER_PUSH) {
    return {
      code: 'limit',
      text: `more than ${MAX_COMMITS_PER_PUSH} commits in one push`,
      remedy: 'push them in parts',
    };
  }
  let tip = update.oldId;
  for (const commit of commits) {
    if (commit.parents.length > 1) {
      return {
        code: 'shape',
        text: `commit ${shortId(commit.id)} is a merge; history here is one line`,
        remedy: 'git rebase onto main instead of merging',
      };
    }
    if (commit.parents[0] !== tip) {
      return {
        code: 'stale',
        text: `commit ${shortId(commit.id)} is not on top of main; nothing here is ever rewritten`,
        remedy: 'fetch, and build on the tip of main',
      };
    }
    tip = commit.id;
  }
  if (tip !== update.newId) {
    return {
      code: 'stale',
      text: 'the push would turn main back',
      remedy: 'fetch, and build on the tip of main',
    };
  }
  return null;
}

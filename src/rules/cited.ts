import { treeOfCommit } from '../git/git-objects.js';
import { MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { Came } from './citations.js';
import type { PushContext } from './push-context.js';

/**
 * Every new commit came with the push, and so did the tree of every commit that is no message, unless every
 * key can fetch it. Runs before any refusal says something about them: the server may have commits that this
 * key must not see, for example drafts of the owner.
 */
export async function sentCommitRule(push: PushContext): Promise<Refusal | null> {
  // With too many commits, chainRule refuses the push and says nothing else about them.
  if (push.commits.length > MAX_COMMITS_PER_PUSH) return null;
  // The newest first: the pusher named it, and each older commit is named by one that came with the push.
  for (const message of [...push.messages].reverse()) {
    const { commit } = message;
    const isSent = await push.citations.came(commit.id);
    if (isSent !== 'yes') return notSent(`commit ${shortId(commit.id)}`, isSent);
    if (message.kind !== 'other') continue;
    const object = await push.reader.read(commit.id);
    const tree = treeOfCommit(object?.content ?? Buffer.alloc(0)) ?? '';
    const isTreeSent = await push.citations.mayCite(tree);
    if (isTreeSent !== 'yes') return notSent(`commit ${shortId(commit.id)}: its tree`, isTreeSent);
  }
  return null;
}

/**
 * The blob that a commit sets came with the push, or every key can fetch it: git does not send what it knows
 * the server to have. Runs after sentCommitRule.
 */
export async function citedFileRule(push: PushContext): Promise<Refusal | null> {
  const { citations } = push;
  for (const message of push.messages) {
    if (message.kind === 'other') continue;
    const { path, newId } = message.change;
    const isSent = await citations.mayCite(newId, path);
    if (isSent !== 'yes') return notSent(`commit ${shortId(message.commit.id)}: its ${path}`, isSent);
  }
  return null;
}

/** Uses the same words for an object that is not here and for one that is kept from the pusher. */
export function notSent(what: string, isSent: Exclude<Came, 'yes'>): Refusal {
  return isSent === 'no'
    ? {
        code: 'shape',
        text: `${what} did not come with the push`,
        remedy: 'push from a clone that git fsck finds whole, with git -c pack.useBitmaps=false push',
      }
    : {
        code: 'internal',
        text: `${what}: the server cannot tell whether it came with the push`,
        remedy: 'push over ssh; on the server, run "llm-bridge init" again',
      };
}

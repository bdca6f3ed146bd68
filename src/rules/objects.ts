import { treeOfCommit } from '../git/git-objects.js';
import { maxPushBytes } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import { nameOf } from './bounds.js';
import type { PushContext } from './push-context.js';

/**
 * Only the parts of the new commits may come in: each commit, its tree and its one blob, and the blobs of
 * claims. Anything else would stay in the repository unseen and fill the disk. The messages of one push
 * together must stay below the limit of a push. Runs after shapeRule.
 */
export async function objectsRule(push: PushContext): Promise<Refusal | null> {
  const expected = new Set<string>(push.besides);
  let bytes = 0;
  for (const message of push.messages) {
    if (message.kind === 'other') continue;
    const commit = await push.reader.read(message.commit.id);
    const blob = await push.reader.info(message.change.newId);
    // payloadRule names a message that is too large by itself.
    bytes += Math.min(blob?.size ?? 0, push.settings.maxTaskBytes + push.settings.maxAnswerBytes);
    for (const id of [message.commit.id, treeOfCommit(commit?.content ?? Buffer.alloc(0)), blob?.id])
      expected.add(id ?? '');
  }
  const maxBytes = maxPushBytes(push.settings);
  if (bytes > maxBytes) {
    return {
      code: 'limit',
      text: `the messages of this push have ${bytes} bytes; the limit is ${maxBytes}`,
      remedy: 'push them in parts',
    };
  }
  const extra = push.incoming.loose.find((id) => !expected.has(id));
  if (extra !== undefined) return unexpected(push, extra);
  const bases = push.incoming.packed.filter((id) => !expected.has(id));
  if (bases.length === 0) return null;
  return judgeBases(push, bases, expected.size);
}

/**
 * The bases that git copied into a thin pack were here before, and there is at most one for each object that
 * needs it.
 */
async function judgeBases(
  push: PushContext,
  bases: readonly string[],
  maxBases: number,
): Promise<Refusal | null> {
  const [first = ''] = bases;
  if (bases.length > maxBases) return unexpected(push, first);
  for (const id of bases) if (!(await push.citations.wasHere(id))) return unexpected(push, id);
  return null;
}

async function unexpected(push: PushContext, id: string): Promise<Refusal> {
  return {
    code: 'shape',
    text: `${await nameOf(push, id)} came along with commit ${shortId(push.update.newId)} and belongs to no message`,
    remedy: 'push from a clone made by git; nothing but a commit, its tree and its file comes in',
  };
}

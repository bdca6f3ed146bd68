import { shortId } from '../protocol/names.js';
import { readPlainCommit } from '../protocol/plain-commit.js';
import type { Refusal } from '../protocol/refusal.js';
import type { PushContext } from './push-context.js';

/**
 * A commit has the plain headers and no others. A signature, an encoding or a second parent would be bytes
 * that nobody reads, or that two readers read in two ways. Its message is UTF-8 without control characters,
 * so that any terminal may show it.
 */
export async function commitRule(push: PushContext): Promise<Refusal | null> {
  for (const { id } of push.commits) {
    const object = await push.reader.read(id);
    const read = readPlainCommit(object?.content ?? Buffer.alloc(0));
    if (read.ok) continue;
    return {
      code: 'message',
      text: `commit ${shortId(id)} ${read.reason}`,
      remedy: 'git -c commit.gpgSign=false commit --amend --no-gpg-sign, with a plain message in UTF-8',
    };
  }
  return null;
}

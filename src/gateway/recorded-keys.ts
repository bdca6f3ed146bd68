import type { BridgeView } from '../bridge/bridge-view.js';
import { openObjectReader } from '../git/object-reader.js';
import { walkHistory } from '../git/read-history.js';
import { messageOf } from '../protocol/history.js';
import { readTask } from '../protocol/task.js';
import { contentOf, identityOf, keyOf } from './call-content.js';

/** A call with an `Idempotency-Key` that went on without its client, as the record has it. */
export interface RecordedKey {
  readonly key: string;
  readonly content: string;
  readonly task: string;
}

/**
 * The keys of the calls of a gateway that go on without their client (`metadata.background`), as far back as
 * tasks can be pending. `name`: the author of their commits; `gateway`: their `metadata.gateway`. The oldest
 * first. Throws what reading the bridge throws.
 */
export async function readRecordedKeys(
  { repo, terms, isLocal, requireFile }: BridgeView,
  tip: string,
  { name, gateway }: { readonly name: string; readonly gateway: string },
): Promise<RecordedKey[]> {
  const reader = openObjectReader(repo);
  const found: RecordedKey[] = [];
  try {
    const sinceMs = terms.serverNow() - terms.taskTtlMs;
    for await (const commit of walkHistory(repo, { from: [tip], sinceMs })) {
      const message = messageOf(commit);
      if (message.kind !== 'task' || message.file !== 'task.json' || commit.author !== name) continue;
      let content = (await reader.read(message.change.newId))?.content;
      if (content === undefined && !isLocal) {
        await requireFile(commit);
        content = (await reader.read(message.change.newId))?.content;
      }
      // Most tasks have no key, and to parse the ten thousand of a night's batch takes long.
      if (content?.includes('"idempotency_key"') !== true || !content.includes('"background"')) continue;
      const read = readTask('task.json', content, Number.POSITIVE_INFINITY);
      if (!read.ok || read.value.request === undefined) continue;
      const { request, metadata = {} } = read.value;
      if (metadata.gateway !== gateway || metadata.background !== 'true') continue;
      const asked = identityOf(read.value, request);
      const key = keyOf({ token: asked.token, idempotencyKey: metadata.idempotency_key ?? null });
      if (key !== null) found.push({ key, content: contentOf(asked), task: commit.id });
    }
    return found;
  } finally {
    reader.close();
  }
}

import type { BridgeAccess } from '../bridge/connection.js';
import { openToRead } from '../log/catch-up-log.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { isExpired } from '../protocol/queue.js';
import { type FoundAnswer, findAnswer, findTaskAnywhere } from './find-task.js';

/**
 * Gets the answer to a task, which is named by its id or the beginning of it. `found` is null where there is
 * no answer yet. Throws BridgeError `no-such-task`, `expired`, or `usage` as findTask does.
 */
export async function getAnswer(
  access: BridgeAccess,
  prefix: string,
): Promise<{ readonly task: string; readonly found: FoundAnswer | null }> {
  const view = await openToRead(access, 'window');
  try {
    const { id, committedAtMs } = await findTaskAnywhere(view, prefix);
    const found = await findAnswer(view, id);
    const { serverNow, taskTtlMs: ttlMs } = view.terms;
    if (found === null && isExpired(committedAtMs, { nowMs: serverNow(), ttlMs })) {
      throw new BridgeError(
        `${shortId(id)} was not answered within ${formatDuration(ttlMs)}, and will not be any more`,
        { code: 'expired', remedy: 'see that an agent runs ("llm-bridge status"), and ask again' },
      );
    }
    return { task: id, found };
  } finally {
    await view.close();
  }
}

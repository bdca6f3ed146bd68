import type { BridgeAccess } from '../bridge/connection.js';
import { BatchIndex, type KnownBatch } from '../gateway/batches/batch-index.js';
import type { BatchBridge } from '../gateway/batches/take-in.js';
import type { Calls } from '../gateway/calls.js';
import { openCalls } from '../gateway/open-calls.js';
import { BridgeError } from '../protocol/bridge-error.js';

/** A bridge that batches are put on from the command line, and the batches that it has. */
export interface OpenBatches {
  readonly calls: Calls;
  readonly bridge: BatchBridge;
  readonly index: BatchIndex;
}

/** How long the bridge may be away before a command gives up. Milliseconds. */
const WAIT_MS = 60_000;

/**
 * Opens a bridge to put tasks of a batch on it, or cancels. Close `calls`. `say` is told of what is tried
 * again. Throws BridgeError as openCalls does, and `older-bridge`.
 */
export async function openBatches(
  access: BridgeAccess,
  name: string | undefined,
  say: (error: unknown) => void,
): Promise<OpenBatches> {
  const calls = await openCalls(access, {
    ...{ waitMs: WAIT_MS, lingerMs: WAIT_MS, gateway: 'shell', name, maxCalls: 1, onProblem: say },
  });
  const bridge = {
    view: calls.view,
    submit: calls.submit.bind(calls),
    refresh: () => calls.refresh(),
  };
  if (calls.view.terms.hasRequests) return { calls, bridge, index: new BatchIndex(calls.view) };
  await calls.close();
  throw new BridgeError('this bridge does not know API calls yet', {
    code: 'older-bridge',
    remedy: 'update llm-bridge on the server, then run "llm-bridge init" there again',
  });
}

/**
 * The batch of this id, or of its beginning. All of history is read where the index does not have it. Throws
 * BridgeError `no-such-task`, and `usage` where several begin like this.
 */
export async function requireBatch(index: BatchIndex, text: string): Promise<KnownBatch> {
  const prefix = text.startsWith('batch_') ? text : `batch_${text}`;
  const find = () => index.all().filter(({ id }) => id.startsWith(prefix));
  if (find().length === 0) await index.deepen();
  const found = find();
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined)
    throw new BridgeError(`no batch on this bridge begins with ${JSON.stringify(text.slice(0, 80))}`, {
      code: 'no-such-task',
      remedy: '"llm-bridge batch list" shows the batches',
    });
  throw new BridgeError(`${found.length} batches begin with ${text}`, {
    code: 'usage',
    remedy: 'give more of its id: "llm-bridge batch list" shows them',
  });
}

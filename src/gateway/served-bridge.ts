import path from 'node:path';
import { gatewayFolder } from '../admin/gateway-folder.js';
import { cancelTask } from '../asker/cancel-task.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { readRef } from '../git/refs.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { BatchFiles } from './batches/batch-files.js';
import { Batches } from './batches/batches.js';
import { type Aliases, type BridgeModel, bridgeModels } from './bridge-models.js';
import { type BridgePage, openBridgePage } from './bridge-page.js';
import type { Calls, CallsSettings } from './calls.js';
import { openHealth } from './health.js';
import { type Metrics, openMetrics } from './metrics.js';
import { openCalls } from './open-calls.js';
import { Responses } from './stored/responses.js';

/** A bridge that a gateway is to serve. */
export interface BridgeToServe {
  /** Its name among others; null where it is the only one. */
  readonly name: string | null;
  readonly access: BridgeAccess;
}

/** All that a gateway has of one bridge. */
export interface ServedBridge extends BridgeToServe {
  readonly calls: Calls;
  readonly responses: Responses;
  readonly batches: Batches;
  readonly page: BridgePage;
  readonly metrics: Metrics;
  /** Null where it can be written, else why not. */
  readonly health: () => Promise<string | null>;
  /** The models that its agents have. Throws where it cannot be read. */
  readonly models: () => Promise<readonly BridgeModel[]>;
  /** Cancels a task. Throws as cancelTask does. */
  readonly cancel: (task: string) => Promise<void>;
  close(): Promise<void>;
}

/** What the bridges of a gateway share. */
export interface SharedParts extends CallsSettings {
  readonly files: BatchFiles;
  readonly aliases: Aliases;
  /** Aborts where nobody waits for the bridge to be opened any more. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a bridge for a gateway. Throws BridgeError as openCalls does, and `older-bridge` for one that does
 * not know API calls.
 */
export async function openServedBridge(bridge: BridgeToServe, shared: SharedParts): Promise<ServedBridge> {
  const { name, access } = bridge;
  const { files, aliases } = shared;
  const calls = await openCalls(access, shared, shared.signal);
  const { view } = calls;
  try {
    if (!view.terms.hasRequests) throw noRequests();
    const tip = (await readRef(view.repo, view.ref)) ?? '';
    const page = openBridgePage(calls);
    const batches = new Batches({
      bridge: { view, submit: (what) => calls.submit(what), refresh: () => calls.refresh() },
      folder: path.join(gatewayFolder(view.connection.address), 'batches'),
      gateway: shared.gateway,
      asker: calls.asker,
      hasModel: (model) => calls.hasModel(model),
      modelOf: (model) => aliases.get(model) ?? model,
      pathOf: (id) => files.pathOf(id),
      onProblem: shared.onProblem,
    });
    void batches.open();
    return {
      ...{ name, access, calls, batches, page },
      responses: new Responses(calls),
      metrics: openMetrics(calls, page.state, { since: tip, bridge: name }),
      health: openHealth(calls),
      models: async () => bridgeModels(await calls.who(), view.terms.serverNow()),
      cancel: async (task) => {
        const asker = shared.name === undefined ? {} : { name: shared.name };
        calls.cancelling(task);
        await cancelTask(access, { task, ...asker });
      },
      async close() {
        await Promise.all([batches.close(), calls.close()]);
      },
    };
  } catch (error) {
    await calls.close();
    throw error;
  }
}

function noRequests(): BridgeError {
  return new BridgeError('this bridge does not know API calls yet', {
    code: 'older-bridge',
    remedy: 'update llm-bridge on the server, then run "llm-bridge init" there again',
  });
}

import { fetchMain, REMOTE_MAIN_REF, REMOTE_PREFIX } from '../git/fetch.js';
import { LARGE_BYTES } from '../git/left-out.js';
import { isAncestor, readRef } from '../git/refs.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import { ownTerms, readTerms } from './bridge-terms.js';
import type { BridgeView, Reach, ViewOptions } from './bridge-view.js';
import { ChosenWindows } from './chosen-window.js';
import { fetchFirst } from './clone.js';
import {
  type BridgeAccess,
  type BridgeConnection,
  closeConnection,
  connectBridge,
  openConnection,
} from './connection.js';
import { requireFile } from './large-files.js';
import { openLocalBridge } from './local-bridge.js';
import { whoWorks } from './side-refs.js';
import { TemporaryClone } from './temporary-clone.js';
import { updateClone } from './update-clone.js';
import { ViewUpkeep } from './view-upkeep.js';

/** More commits than any history has; git reads this depth as all of it. */
const WHOLE_DEPTH = 2_147_483_647;

/**
 * Opens a view of a bridge. Close it. Throws BridgeError as openConnection, openLocalBridge, readTerms and
 * fetchMain do.
 */
export async function openBridgeView(
  access: BridgeAccess,
  far: Reach,
  options: ViewOptions = {},
): Promise<BridgeView> {
  const connection = await openConnection(access.repo, access.env, access.ssh);
  return connection.address.kind === 'local'
    ? openLocalView(connection)
    : openCloneView(connection, far, options);
}

async function openLocalView(connection: BridgeConnection): Promise<BridgeView> {
  const { url } = connection.address;
  const { repo, settings } = await openLocalBridge(url, { env: connection.env, asOwner: true });
  let terms = ownTerms(settings);
  return {
    connection,
    isLocal: true,
    get terms() {
      return terms;
    },
    async learnTerms(signal) {
      terms = await readTerms(connection, signal);
    },
    repo,
    ref: MAIN_REF,
    tip: () => null,
    reach: async () => {},
    window: async () => null,
    refresh: async () => {},
    requireFile: async () => {},
    mended: (work) => work(),
    whoWorks: () => whoWorks(repo, 'refs/bridge/', Date.now()),
    close: async () => {},
  };
}

async function openCloneView(
  connection: BridgeConnection,
  far: Reach,
  { allFiles = false, signal }: ViewOptions,
): Promise<BridgeView> {
  const temporary = await TemporaryClone.open('view', connection.env, allFiles ? undefined : LARGE_BYTES);
  const upkeep = new ViewUpkeep();
  const windows = new ChosenWindows(connection);
  const close = async () => {
    await closeConnection(connection);
    await upkeep.close();
    await temporary.close();
  };
  try {
    const { url } = connection.address;
    await connectBridge(connection, signal);
    let hello = readTerms(connection, signal);
    let reached = far;
    let known: string | null = null;
    const bring = async (wanted: Reach, inner?: AbortSignal): Promise<void> => {
      if (wanted === 'chosen') return;
      if (wanted === 'window') {
        const { serverNow, taskTtlMs } = await hello;
        const window = { nowMs: serverNow(), ttlMs: taskTtlMs, sideRefs: true, shorten: true };
        await updateClone(temporary.repo, connection, window, inner);
      } else {
        const depth = wanted === 'all' ? WHOLE_DEPTH : 1;
        await fetchFirst(temporary.repo, url, { depth }, inner);
      }
      reached = wanted;
      known = await readRef(temporary.repo, REMOTE_MAIN_REF);
    };
    /** Fetches into a clone that was made again: what the one before it had, and what came since. */
    const bringAgain = async (inner?: AbortSignal): Promise<void> => {
      const before = known;
      await bring(reached === 'all' ? 'all' : 'window', inner);
      if (before !== null && !(await isAncestor(temporary.repo, before, REMOTE_MAIN_REF)))
        throw rewritten(url);
    };
    let [terms] = await Promise.all([hello, bring(far, signal)]);
    return {
      connection,
      isLocal: false,
      get terms() {
        return terms;
      },
      async learnTerms(inner) {
        await connectBridge(connection, inner);
        terms = await readTerms(connection, inner);
        hello = Promise.resolve(terms);
      },
      get repo() {
        return temporary.repo;
      },
      ref: REMOTE_MAIN_REF,
      tip: () => known,
      async reach(wanted, inner) {
        await connectBridge(connection, inner);
        await bring(wanted, inner);
      },
      async window(wanted, inner) {
        if (reached === 'window' || reached === 'all') return null;
        const chosen = terms.hasWindow ? await windows.bring(temporary.repo, wanted, inner) : null;
        if (chosen === null) await bring('window', inner);
        else known = await readRef(temporary.repo, REMOTE_MAIN_REF);
        return chosen;
      },
      async refresh({ sideRefs = false, signal: inner } = {}) {
        // Only a window is shortened at its far end.
        if (reached === 'window' && (await upkeep.isDue(temporary.repo))) {
          await bring('window', inner);
          return upkeep.start();
        }
        await connectBridge(connection, inner);
        if ((await fetchMain(temporary.repo, url, { sideRefs }, inner)) === 'rewound') throw rewritten(url);
        known = await readRef(temporary.repo, REMOTE_MAIN_REF);
      },
      requireFile: (commit, options) => requireFile({ clone: temporary.repo, connection }, commit, options),
      mended: (work, inner) => temporary.use(work, () => bringAgain(inner)),
      whoWorks: () => whoWorks(temporary.repo, REMOTE_PREFIX, terms.serverNow()),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function rewritten(url: string): BridgeError {
  return new BridgeError(`main of ${url} was rewound or rewritten while this waited`, {
    code: 'history-rewritten',
    remedy: 'find out who rewrote the record, then run this again; a task that waited may be gone',
  });
}

import { updateClone } from '../bridge/clone.js';
import {
  type BridgeConnection,
  closeConnection,
  connectBridge,
  openConnection,
  readTerms,
} from '../bridge/connection.js';
import { openLocalBridge } from '../bridge/local-bridge.js';
import type { SshOptions } from '../bridge/ssh-settings.js';
import { TemporaryClone } from '../bridge/temporary-clone.js';
import { fetchMain, REMOTE_MAIN_REF, REMOTE_PREFIX } from '../git/fetch.js';
import type { Repository } from '../git/run-git.js';
import { catchUpLog } from '../log/catch-up-log.js';
import { MAIN_REF } from '../protocol/names.js';

/**
 * A bridge to read from. On this machine it is the repository itself, and its log is up to date; elsewhere it
 * is a temporary clone.
 */
export interface BridgeView {
  readonly connection: BridgeConnection;
  readonly repo: Repository;
  readonly ref: string;
  readonly taskTtlMs: number;
  /** Whether agents say on it who they are and what they do. */
  readonly takesClaims: boolean;
  /** The clock of the bridge, milliseconds since the epoch. */
  readonly serverNow: () => number;
  /** Null over ssh, where the log cannot be seen. */
  logRecords(): number | null;
  /** The prefix of the refs in `repo` that hold the claims and presences of the bridge. */
  readonly sidePrefix: string;
  /** Brings the view up to date. */
  refresh(): Promise<void>;
  /** Does what reads from `repo`; once more where `repo` was damaged meanwhile and had to be made anew. */
  mended<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens a view; over ssh with the history in which tasks can be pending (`window`), or `all` of it. */
export async function openView(repo: string, ssh: SshOptions, reach: 'window' | 'all'): Promise<BridgeView> {
  const connection = await openConnection(repo, process.env, ssh);
  const terms = await readTerms(connection);
  const { taskTtlMs, serverNow, claimLeaseMs } = terms;
  const common = { connection, taskTtlMs, serverNow, takesClaims: claimLeaseMs !== null };
  if (connection.address.kind === 'local') {
    const bridge = await openLocalBridge(connection.address.url, { env: process.env, asOwner: true });
    // A killed hook leaves answers out of the log. Every reader on this machine takes them in.
    let { lastSeq } = await catchUpLog(bridge.repo);
    return {
      ...common,
      repo: bridge.repo,
      ref: MAIN_REF,
      sidePrefix: 'refs/bridge/',
      logRecords: () => lastSeq,
      refresh: async () => {
        lastSeq = (await catchUpLog(bridge.repo)).lastSeq;
      },
      mended: (work) => work(),
      close: async () => {},
    };
  }
  const temporary = await TemporaryClone.open('view', connection.env);
  const close = async () => {
    await closeConnection(connection);
    await temporary.close();
  };
  try {
    const { url } = connection.address;
    const fill = async () => {
      const window = { nowMs: terms.serverNow(), ttlMs: terms.taskTtlMs, sideRefs: true };
      if (reach === 'all') await fetchMain(temporary.repo, url);
      else await updateClone(temporary.repo, connection, window);
    };
    await fill();
    return {
      ...common,
      get repo() {
        return temporary.repo;
      },
      ref: REMOTE_MAIN_REF,
      sidePrefix: REMOTE_PREFIX,
      logRecords: () => null,
      refresh: async () => {
        await connectBridge(connection);
        await fetchMain(temporary.repo, url, { sideRefs: reach === 'window' });
      },
      mended: (work) => temporary.use(work, fill),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

import type { BridgeView } from '../bridge/bridge-view.js';
import { type BridgeAccess, openDoorbell } from '../bridge/connection.js';
import { createNotifier } from '../bridge/notifier.js';
import { openBridgeView } from '../bridge/open-bridge-view.js';
import { readRepairs } from '../git/repairs-log.js';
import { findStaleLocks } from '../git/stale-locks.js';
import { catchUpLog } from '../log/catch-up-log.js';
import { reportOnAnswer } from '../log/on-answer/state.js';
import { hidePasswords } from '../process/hide-passwords.js';
import type { BridgeStatus } from './bridge-status.js';
import { gatewayFolder } from './gateway-folder.js';
import { readStatus, type StatusContext, statusWants } from './read-status.js';
import { tasksContext } from './read-tasks.js';
import { listGateways } from './running-gateways.js';

/** How often the status is read again without a ring: ages grow, and claims do not ring. Milliseconds. */
const READ_MS = 5_000;

/**
 * How often a bridge elsewhere is fetched without a ring; and while a task is open, because an agent that
 * begins with it does not ring. Milliseconds.
 */
const FETCH_MS = 60_000;
const OPEN_FETCH_MS = READ_MS;

/**
 * A lock that a push holds is gone after this time, and so is every git that ran when it was first seen.
 * Milliseconds.
 */
const LOCK_WAIT_MS = 2_000;

/** A day, as of the other figures. */
const REPAIRS_SHOWN_MS = 86_400_000;

/** How a status is followed. */
export interface StatusOptions {
  /** Null: once. */
  readonly until: AbortSignal | null;
  /** How many of the tasks that wait are listed: the oldest. Default: all. */
  readonly shownPending?: number;
}

/**
 * Yields the status of a bridge: once, or with a signal again whenever the bridge rings and every few
 * seconds, until the signal aborts. Throws BridgeError as openBridgeView and ingest do.
 */
export async function* followStatus(
  access: BridgeAccess,
  { until, shownPending = Number.POSITIVE_INFINITY }: StatusOptions,
): AsyncGenerator<BridgeStatus> {
  const view = await openBridgeView(access, 'chosen');
  const repoName = hidePasswords(access.repo);
  const notifier = createNotifier();
  const doorbell = until !== null ? openDoorbell(view.connection, notifier) : null;
  let fetchedAtMs = performance.now();
  try {
    let chosen = await view.window(statusWants(shownPending));
    for (let logRecords = await recordsOf(view); ; ) {
      const told = { repoName, logRecords, shownPending, chosen };
      const status = await view.mended(() => statusOf(view, told));
      yield status;
      if (until === null) return;
      const outcome = await notifier.wait(READ_MS, until);
      if (until.aborted) return;
      const fetchMs = status.pending.length + status.running.length > 0 ? OPEN_FETCH_MS : FETCH_MS;
      if (outcome === 'timeout' && performance.now() - fetchedAtMs < fetchMs) continue;
      fetchedAtMs = performance.now();
      // The view goes on while the server is away: the ages show it.
      await view.refresh({ sideRefs: true }).catch(() => {});
      chosen = await view.window(statusWants(shownPending)).catch(() => chosen);
      logRecords = await recordsOf(view).catch(() => logRecords);
    }
  } finally {
    await doorbell?.close();
    await view.close();
  }
}

/** The number of records in the log, with what a killed hook missed; null where it cannot be seen. */
async function recordsOf(view: BridgeView): Promise<number | null> {
  return view.isLocal ? (await catchUpLog(view.repo)).lastSeq : null;
}

async function statusOf(
  view: BridgeView,
  told: Pick<StatusContext, 'repoName' | 'logRecords' | 'shownPending' | 'chosen'>,
): Promise<BridgeStatus> {
  const { repo, isLocal } = view;
  const staleLocks = isLocal ? (await findStaleLocks(repo.gitDir, { waitMs: LOCK_WAIT_MS })).stale : null;
  const context = tasksContext(view, await view.whoWorks());
  return readStatus(repo, {
    ...context,
    ...told,
    staleLocks,
    repairs: isLocal ? readRepairs(repo.gitDir, context.nowMs - REPAIRS_SHOWN_MS) : null,
    gateways: await listGateways(gatewayFolder(view.connection.address)),
    onAnswer: isLocal ? await reportOnAnswer(repo.gitDir) : null,
  });
}

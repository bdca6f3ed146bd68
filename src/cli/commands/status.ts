import { readStatus } from '../../admin/bridge-status.js';
import { openDoorbell } from '../../bridge/connection.js';
import { createNotifier } from '../../bridge/notifier.js';
import { whoWorks } from '../../bridge/side-refs.js';
import { readRepairs } from '../../git/repairs-log.js';
import { findStaleLocks } from '../../git/stale-locks.js';
import { reportOnAnswer } from '../../log/on-answer/state.js';
import { defineCommand } from '../command.js';
import { formatStatus } from '../format-status.js';
import { type BridgeView, openView } from '../open-view.js';
import { OPTIONS, SSH_OPTIONS, sshOf } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/**
 * A lock that a push holds is gone by then, and so are those who were at work when it was first seen.
 * Milliseconds.
 */
const LOCK_WAIT_MS = 2_000;

/** A day, as of the other figures. */
const REPAIRS_SHOWN_MS = 86_400_000;

/** `llm-bridge status --repo R` */
export const statusCommand = defineCommand({
  options: [OPTIONS.repo, OPTIONS.json, OPTIONS.watch, ...SSH_OPTIONS],
  examples: [
    ['$0 status --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner'],
    ['$0 status --watch --repo /srv/llm-bridge/bridge.git', 'to keep an eye on it'],
    ['$0 status --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'from elsewhere, with a key'],
  ],
  async run(args, { out }) {
    const view = await openView(args.repo, sshOf(args), 'window');
    const read = () => view.mended(() => statusOf(view, args.repo));
    try {
      if (!args.watch) {
        const status = await read();
        await (args.json ? out.json(status) : out.print(formatStatus(status)));
      } else {
        await watchView(view, stopSignal(), async () => {
          const status = await read();
          await (args.json ? out.json(status) : out.redraw(formatStatus(status)));
          return status.pending.length + status.running.length > 0;
        });
      }
    } finally {
      await view.close();
    }
    return EXIT.done;
  },
});

async function statusOf(view: BridgeView, repoName: string) {
  const isLocal = view.connection.address.kind === 'local';
  const staleLocks = isLocal
    ? (await findStaleLocks(view.repo.gitDir, { waitMs: LOCK_WAIT_MS })).stale
    : null;
  const nowMs = view.serverNow();
  return readStatus(view.repo, {
    repoName,
    ref: view.ref,
    nowMs,
    who: await whoWorks(view.repo, view.sidePrefix, nowMs),
    ttlMs: view.taskTtlMs,
    takesClaims: view.takesClaims,
    logRecords: view.logRecords(),
    staleLocks,
    repairs: isLocal ? readRepairs(view.repo.gitDir, nowMs - REPAIRS_SHOWN_MS) : null,
    onAnswer: isLocal ? await reportOnAnswer(view.repo.gitDir) : null,
  });
}

/**
 * How often the view is drawn again without a ring: ages grow, and side refs change without one.
 * Milliseconds.
 */
const REDRAW_MS = 5_000;

/**
 * How often a bridge elsewhere is fetched without a ring; and while a task is open, because an agent that
 * begins with it does not ring. Milliseconds.
 */
const FETCH_MS = 60_000;
const OPEN_FETCH_MS = REDRAW_MS;

/**
 * Shows a view again whenever the bridge rings and every few seconds, until the signal aborts. `show` returns
 * whether a task is open.
 */
async function watchView(view: BridgeView, signal: AbortSignal, show: () => Promise<boolean>): Promise<void> {
  const notifier = createNotifier();
  const doorbell = openDoorbell(view.connection, notifier);
  let fetchedAtMs = performance.now();
  try {
    while (!signal.aborted) {
      const isOpen = await show();
      const outcome = await notifier.wait(REDRAW_MS, signal);
      if (signal.aborted) return;
      const fetchMs = isOpen ? OPEN_FETCH_MS : FETCH_MS;
      if (outcome === 'rung' || performance.now() - fetchedAtMs >= fetchMs) {
        fetchedAtMs = performance.now();
        // The view goes on while the server is away: the ages show it.
        await view.refresh().catch(() => {});
      }
    }
  } finally {
    await doorbell.close();
  }
}

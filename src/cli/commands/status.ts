import { clearScreenDown, cursorTo } from 'node:readline';
import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { openDoorbell } from '../../bridge/connection.js';
import { createNotifier } from '../../bridge/notifier.js';
import { formatStatus } from '../format-status.js';
import type { BridgeView } from '../open-view.js';
import { REPO_OPTION, readOptions, repoSchema, SSH_OPTIONS, sshArgs, sshOptionsOf } from '../options.js';
import type { ExitState } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  repo: repoSchema,
  json: z.boolean().default(false),
  watch: z.boolean().default(false),
  ...sshArgs,
});

/** A lock that a push holds is gone by then, and so are those who were at work when it was first seen. Milliseconds. */
const LOCK_WAIT_MS = 2_000;

/** A day, as of the other figures. */
const REPAIRS_SHOWN_MS = 86_400_000;

/** `llm-bridge status --repo R` */
export function statusCommand(_exit: ExitState): CommandModule {
  return {
    command: 'status',
    describe: 'Show what is pending and what was answered',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'Print one line of JSON' })
        .option('watch', {
          alias: 'w',
          type: 'boolean',
          describe: 'Go on, and show it anew whenever something changes, until Ctrl-C',
        })
        .options(SSH_OPTIONS)
        .example('$0 status --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner')
        .example('$0 status --watch --repo /srv/llm-bridge/bridge.git', 'to keep an eye on it')
        .example(
          '$0 status --repo ssh://bridge@server/srv/llm-bridge/bridge.git',
          'from elsewhere, with a key',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'status');
      const [
        { readStatus },
        { findStaleLocks },
        { readRepairs },
        { whoWorks },
        { reportOnAnswer },
        { openView },
      ] = await Promise.all([
        import('../../admin/bridge-status.js'),
        import('../../git/stale-locks.js'),
        import('../../git/repairs-log.js'),
        import('../../bridge/side-refs.js'),
        import('../../log/on-answer/state.js'),
        import('../open-view.js'),
      ]);
      const view = await openView(args.repo, sshOptionsOf(args), 'window');
      const show = async () => {
        const isLocal = view.connection.address.kind === 'local';
        const staleLocks = isLocal
          ? (await findStaleLocks(view.repo.gitDir, { waitMs: LOCK_WAIT_MS })).stale
          : null;
        const nowMs = view.serverNow();
        const status = await readStatus(view.repo, {
          repoName: args.repo,
          ref: view.ref,
          nowMs,
          who: await whoWorks(view.repo, view.sidePrefix, nowMs),
          ttlMs: view.taskTtlMs,
          logRecords: view.logRecords(),
          staleLocks,
          repairs: isLocal ? readRepairs(view.repo.gitDir, nowMs - REPAIRS_SHOWN_MS) : null,
          onAnswer: isLocal ? await reportOnAnswer(view.repo.gitDir) : null,
        });
        return args.json ? `${JSON.stringify(status)}\n` : formatStatus(status);
      };
      try {
        if (args.watch) await watchStatus(view, show, stopSignal());
        else process.stdout.write(await show());
      } finally {
        await view.close();
      }
    },
  };
}

/** How often ages are drawn anew, and what changes beside history is looked at on this machine. Milliseconds. */
const REDRAW_MS = 5_000;

/** How often a bridge elsewhere is asked where nothing rings. Milliseconds. */
const FETCH_MS = 60_000;

/**
 * Shows a view again whenever the bridge rings and every few seconds, until the signal aborts. On a terminal in the same
 * place, elsewhere one behind the other.
 */
export async function watchStatus(
  view: BridgeView,
  show: () => Promise<string>,
  signal: AbortSignal,
): Promise<void> {
  const notifier = createNotifier();
  const doorbell = openDoorbell(view.connection, notifier);
  let fetchedAtMs = performance.now();
  try {
    while (!signal.aborted) {
      const text = await show();
      if (process.stdout.isTTY) {
        cursorTo(process.stdout, 0, 0);
        clearScreenDown(process.stdout);
      }
      process.stdout.write(text);
      const outcome = await notifier.wait(REDRAW_MS, signal);
      if (signal.aborted) return;
      if (outcome === 'rung' || performance.now() - fetchedAtMs > FETCH_MS) {
        fetchedAtMs = performance.now();
        // A server that is away is no end of it: the ages tell.
        await view.refresh().catch(() => {});
      }
    }
  } finally {
    await doorbell.close();
  }
}

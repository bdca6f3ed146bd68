import type { CommandModule } from 'yargs';
import * as z from 'zod';
import type { ExitState } from '../exit-state.js';
import { formatStatus } from '../format-status.js';
import { REPO_OPTION, readOptions, repoSchema, SSH_OPTIONS, sshArgs, sshOptionsOf } from '../options.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  repo: repoSchema,
  json: z.boolean().default(false),
  watch: z.boolean().default(false),
  ...sshArgs,
});

/** A lock that a push holds is gone by then, and so are those who were at work when it was first seen. Milliseconds. */
const LOCK_WAIT_MS = 2_000;

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
      const [{ readStatus }, { findStaleLocks }, { whoWorks }, { reportOnAnswer }, { openView }] =
        await Promise.all([
          import('../../admin/bridge-status.js'),
          import('../../git/stale-locks.js'),
          import('../../bridge/who-works.js'),
          import('../../log/on-answer/report.js'),
          import('../open-view.js'),
        ]);
      const view = await openView(args.repo, sshOptionsOf(args), 'window');
      const show = async () => {
        const isLocal = view.door.address.kind === 'local';
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
          onAnswer: isLocal ? await reportOnAnswer(view.repo.gitDir) : null,
        });
        return args.json ? `${JSON.stringify(status)}\n` : formatStatus(status);
      };
      try {
        if (args.watch) await (await import('../watch-status.js')).watchStatus(view, show, stopSignal());
        else process.stdout.write(await show());
      } finally {
        await view.close();
      }
    },
  };
}

import type { CommandModule } from 'yargs';
import * as z from 'zod';
import type { ExitState } from '../exit-state.js';
import { formatStatus } from '../format-status.js';
import { REPO_OPTION, readOptions, repoSchema, SSH_OPTIONS, sshArgs, sshOptionsOf } from '../options.js';

const argsSchema = z.object({ repo: repoSchema, json: z.boolean().default(false), ...sshArgs });

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
        .options(SSH_OPTIONS)
        .example('$0 status --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner')
        .example(
          '$0 status --repo ssh://bridge@server/srv/llm-bridge/bridge.git',
          'from elsewhere, with a key',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'status');
      const [{ readStatus }, { findStaleLocks }, { reportOnAnswer }, { openView }] = await Promise.all([
        import('../../admin/bridge-status.js'),
        import('../../git/stale-locks.js'),
        import('../../server-hook/on-answer/report.js'),
        import('../open-view.js'),
      ]);
      const view = await openView(args.repo, sshOptionsOf(args), 'window');
      try {
        const isLocal = view.door.address.kind === 'local';
        const staleLocks = isLocal
          ? (await findStaleLocks(view.repo.gitDir, { waitMs: LOCK_WAIT_MS })).stale
          : null;
        const status = await readStatus(view.repo, {
          repoName: args.repo,
          ref: view.ref,
          nowMs: Date.now() + view.clockOffsetMs,
          ttlMs: view.taskTtlMs,
          logRecords: view.logRecords,
          staleLocks,
          onAnswer: isLocal ? await reportOnAnswer(view.repo.gitDir) : null,
        });
        process.stdout.write(args.json ? `${JSON.stringify(status)}\n` : formatStatus(status));
      } finally {
        await view.close();
      }
    },
  };
}

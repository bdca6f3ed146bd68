import type { CommandModule } from 'yargs';
import { formatStatus } from '../format-status.js';
import { REPO_OPTION, SSH_OPTIONS, sshOptionsOf } from '../options.js';
import type { ExitState } from '../run-cli.js';

interface StatusArgs {
  repo: string;
  json: boolean | undefined;
  identity: string | undefined;
  acceptNewHostKey: boolean | undefined;
}

/** `llm-bridge status --repo R` */
export function statusCommand(_exit: ExitState): CommandModule<object, StatusArgs> {
  return {
    command: 'status',
    describe: 'What is pending, what was answered',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'Print one line of JSON' })
        .options(SSH_OPTIONS) as never,
    async handler(args) {
      const [{ readStatus }, { openView }] = await Promise.all([
        import('../../admin/bridge-status.js'),
        import('../open-view.js'),
      ]);
      const view = await openView(args.repo, sshOptionsOf(args), 'window');
      try {
        const status = await readStatus(view.repo, {
          repoName: args.repo,
          ref: view.ref,
          nowMs: Date.now() + view.clockOffsetMs,
          ttlMs: view.taskTtlMs,
          logRecords: view.logRecords,
        });
        process.stdout.write(args.json ? `${JSON.stringify(status)}\n` : formatStatus(status));
      } finally {
        await view.close();
      }
    },
  };
}

import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { TASK_STATES } from '../../admin/list-tasks.js';
import type { ExitState } from '../exit-state.js';
import {
  numberOption,
  REPO_OPTION,
  readOptions,
  repoSchema,
  SSH_OPTIONS,
  sshArgs,
  sshOptionsOf,
} from '../options.js';

const argsSchema = z.object({
  repo: repoSchema,
  json: z.boolean().default(false),
  number: numberOption.int().min(0).default(20),
  state: z.enum(TASK_STATES).optional(),
  ...sshArgs,
});

/** `llm-bridge list --repo R` */
export function listCommand(_exit: ExitState): CommandModule {
  return {
    command: 'list',
    describe: 'List the tasks: pending, running and done',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('number', {
          alias: 'n',
          type: 'number',
          requiresArg: true,
          describe: 'Of those that are over, only the newest so many. Default: 20',
        })
        .option('state', {
          type: 'string',
          requiresArg: true,
          choices: TASK_STATES,
          describe: 'Only those',
        })
        .option('json', { type: 'boolean', describe: 'One line of JSON a task' })
        .options(SSH_OPTIONS)
        .example('$0 list --repo /srv/llm-bridge/bridge.git', 'all that wait, and the last 20 that do not')
        .example('$0 list --state pending --json --repo /srv/llm-bridge/bridge.git', 'for programs'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'list');
      const [{ listTasks, newestRows }, { whoWorks }, { formatTaskRow }, { openView }] = await Promise.all([
        import('../../admin/list-tasks.js'),
        import('../../bridge/who-works.js'),
        import('../format-task-row.js'),
        import('../open-view.js'),
      ]);
      const view = await openView(args.repo, sshOptionsOf(args), 'window');
      try {
        const nowMs = view.serverNow();
        const all = await listTasks(view.repo, {
          ref: view.ref,
          nowMs,
          ttlMs: view.taskTtlMs,
          running: (await whoWorks(view.repo, view.sidePrefix, nowMs)).running,
        });
        const wanted = all.filter((row) => args.state === undefined || row.state === args.state);
        for (const row of newestRows(wanted, args.number))
          process.stdout.write(args.json ? `${JSON.stringify(row)}\n` : formatTaskRow(row, nowMs));
      } finally {
        await view.close();
      }
    },
  };
}

import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { MAX_REASON_CHARS } from '../../protocol/cancel.js';
import { principalNameSchema } from '../../protocol/names.js';
import { REPO_OPTION, readOptions, repoSchema, SSH_OPTIONS, sshArgs, sshOptionsOf } from '../options.js';
import type { ExitState } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  task: z.string(),
  repo: repoSchema,
  reason: z
    .string()
    .max(MAX_REASON_CHARS)
    .refine((text) => text.trim() !== '', 'is empty')
    .optional(),
  name: principalNameSchema.optional(),
  json: z.boolean().default(false),
  ...sshArgs,
});

/** `llm-bridge cancel <task> --repo R` */
export function cancelCommand(_exit: ExitState): CommandModule {
  return {
    command: 'cancel <task>',
    describe: 'Cancel a task that is not answered yet',
    builder: (y) =>
      y
        .positional('task', {
          type: 'string',
          demandOption: true,
          describe: 'The id of the task, or the beginning of it',
        })
        .option('repo', REPO_OPTION)
        .option('reason', {
          type: 'string',
          requiresArg: true,
          describe: 'Why, for whoever reads the history',
        })
        .option('json', { type: 'boolean', describe: 'Print the task and the commit as one line of JSON' })
        .option('name', {
          type: 'string',
          requiresArg: true,
          describe: 'Who cancels, where no key says it. Default: the login name',
        })
        .options(SSH_OPTIONS)
        .example(
          '$0 cancel 3f2a1b9c --reason "wrong file" --repo /srv/llm-bridge/bridge.git',
          'its model stops, and its answer is the error "cancelled"',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'cancel', ['task']);
      const [{ cancelTask }, { closeConnection, openConnection }] = await Promise.all([
        import('../../asker/cancel-task.js'),
        import('../../bridge/connection.js'),
      ]);
      const connection = await openConnection(args.repo, process.env, sshOptionsOf(args));
      const done = await cancelTask(connection, {
        task: args.task,
        signal: stopSignal(),
        ...(args.reason === undefined ? {} : { reason: args.reason }),
        ...(args.name === undefined ? {} : { name: args.name }),
      }).finally(() => closeConnection(connection));
      const { task, commit, isNew } = done;
      process.stdout.write(
        args.json ? `${JSON.stringify({ task, commit, new: isNew })}\n` : `cancelled ${task}\n`,
      );
    },
  };
}

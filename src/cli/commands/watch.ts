import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { principalNameSchema } from '../../protocol/names.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import { LOCAL_REPO_OPTION, numberOption, readOptions } from '../options.js';
import { printError } from '../print-error.js';
import type { ExitState } from '../run-cli.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  file: z.string().min(1),
  repo: z.string().min(1),
  name: principalNameSchema.optional(),
  settle: numberOption.min(0.02).max(60).default(0.5),
});

/** `llm-bridge watch FILE --repo R` */
export function watchCommand(_exit: ExitState): CommandModule {
  return {
    command: 'watch <file>',
    describe: 'Make every settled change of a file a task',
    builder: (y) =>
      y
        .positional('file', {
          type: 'string',
          demandOption: true,
          describe: 'A task.txt or task.json that a program rewrites',
        })
        .option('repo', LOCAL_REPO_OPTION)
        .option('name', { type: 'string', requiresArg: true, describe: 'Who asks. Default: the login name' })
        .option('settle', {
          type: 'string',
          requiresArg: true,
          describe: 'Seconds a file must keep its size before it counts as written. Default: 0.5',
        })
        .example('$0 watch /home/bot/task.txt --repo /srv/llm-bridge/bridge.git', ''),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'watch');
      const [{ watchFile }, { openLocalBridge }] = await Promise.all([
        import('../../asker/watch-file.js'),
        import('../../git/local-bridge.js'),
      ]);
      const { repo, settings } = await openLocalBridge(args.repo, { env: process.env, asOwner: true });
      await watchFile({
        repo,
        file: args.file,
        maxBytes: settings.maxTaskBytes,
        taskTtlMs: settings.taskTtlMs,
        settleMs: args.settle * 1000,
        signal: stopSignal(),
        ...(args.name === undefined ? {} : { name: args.name }),
        onTask: (task, draft) => process.stdout.write(`${task} ${excerpt(oneLine(draft.question), 60)}\n`),
        onProblem: (error) => void printError(error),
        onReady: () => process.stderr.write(`watching ${args.file} for ${args.repo}\n`),
      });
    },
  };
}

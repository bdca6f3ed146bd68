import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { principalNameSchema } from '../../protocol/names.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import { LOCAL_REPO_OPTION, localRepoSchema, numberOption, readOptions } from '../options.js';
import { type ExitState, printError } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  file: z.string().min(1),
  repo: localRepoSchema,
  name: principalNameSchema.optional(),
  settle: numberOption.min(0.02).max(60).default(0.5),
});

/** `llm-bridge watch FILE --repo R` */
export function watchCommand(_exit: ExitState): CommandModule {
  return {
    command: 'watch <file>',
    describe: 'Ask whatever a program writes into a file, at every change of it',
    builder: (y) =>
      y
        .positional('file', {
          type: 'string',
          demandOption: true,
          describe:
            'The file; it need not exist yet. A name in .json is read as task.json, any other as task.txt',
        })
        .option('repo', LOCAL_REPO_OPTION)
        .option('name', { type: 'string', requiresArg: true, describe: 'Who asks. Default: the login name' })
        .option('settle', {
          type: 'number',
          requiresArg: true,
          describe: 'Seconds a file must keep its size before it counts as written. Default: 0.5',
        })
        .example(
          '$0 watch /home/bot/task.txt --repo /srv/llm-bridge/bridge.git',
          'the answers go to answers.log; see llm-bridge log',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'watch', ['file']);
      const [{ watchFile }, { openLocalBridge }] = await Promise.all([
        import('../../asker/watch-file.js'),
        import('../../bridge/local-bridge.js'),
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

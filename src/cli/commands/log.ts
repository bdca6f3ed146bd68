import type { CommandModule } from 'yargs';
import * as z from 'zod';
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
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  repo: repoSchema,
  ...sshArgs,
  json: z.boolean().default(false),
  follow: z.boolean().default(false),
  number: numberOption.int().min(0).optional(),
});

/** `llm-bridge log --repo R` */
export function logCommand(_exit: ExitState): CommandModule {
  return {
    command: 'log',
    describe: 'Print the answers so far, the oldest first',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'One line of JSON a record, as in answers.log' })
        .option('follow', {
          alias: 'f',
          type: 'boolean',
          describe: 'Then go on with new ones as they come, until Ctrl-C',
        })
        .option('number', {
          alias: 'n',
          type: 'number',
          requiresArg: true,
          describe: 'Only the newest so many. Default: all',
        })
        .options(SSH_OPTIONS)
        .example('$0 log -n 5 -f --repo /srv/llm-bridge/bridge.git', 'the last five, then each new one')
        .example('$0 log --json --repo /srv/llm-bridge/bridge.git | jq -r .answer', 'for programs'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'log');
      const [{ readRecords }, { formatRecord }] = await Promise.all([
        import('../read-records.js'),
        import('../format-record.js'),
      ]);
      const records = readRecords({
        repo: args.repo,
        ssh: sshOptionsOf(args),
        follow: args.follow,
        signal: stopSignal(),
        ...(args.number === undefined ? {} : { count: args.number }),
      });
      for await (const line of records) process.stdout.write(args.json ? `${line}\n` : formatRecord(line));
    },
  };
}

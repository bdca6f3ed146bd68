import type { Argv, CommandModule } from 'yargs';
import * as z from 'zod';
import { shellQuote } from '../../process/shell-quote.js';
import { principalNameSchema, shortId } from '../../protocol/names.js';
import {
  numberOption,
  REPO_OPTION,
  readOptions,
  repoSchema,
  SSH_OPTIONS,
  sshArgs,
  sshOptionsOf,
} from '../options.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, type ExitState, printProblem } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';
import { TASK_OPTIONS, taskArgsSchema, taskFieldsOf } from '../task-fields.js';

const argsSchema = taskArgsSchema.extend({
  _: z.array(z.string()),
  prompt: z.array(z.string()).default([]),
  repo: repoSchema,
  ...sshArgs,
  name: principalNameSchema.optional(),
  replyTo: z.string().optional(),
  dedup: z.boolean().default(false),
  timeout: numberOption.positive().optional(),
  wait: z.boolean().default(true),
  noWait: z.boolean().default(false),
  json: z.boolean().default(false),
});

/** `llm-bridge ask [PROMPT…] --repo R` */
export function askCommand(exit: ExitState): CommandModule {
  return {
    command: 'ask [prompt..]',
    describe: 'Ask, wait, and print the answer',
    builder: build,
    async handler(raw) {
      const { _, ...options } = readOptions(argsSchema, raw, 'ask', ['prompt']);
      // yargs leaves what stands behind `--` in `_`, after the name of the command.
      const args = { ...options, prompt: [...options.prompt, ..._.slice(1)] };
      const [
        { ask },
        { draftTask },
        { closeConnection, openConnection },
        { catchUpLog },
        { waitingSpinner },
      ] = await Promise.all([
        import('../../asker/ask.js'),
        import('../../asker/task-draft.js'),
        import('../../bridge/connection.js'),
        import('../../log/catch-up-log.js'),
        import('../waiting-spinner.js'),
      ]);
      const connection = await openConnection(args.repo, process.env, sshOptionsOf(args));
      const { reply_to: fromFile, ...fields } = await taskFieldsOf(args);
      const signal = stopSignal();
      const spinner = waitingSpinner();
      const repo = { gitDir: connection.address.url, env: connection.env };
      const outcome = await ask(connection, {
        replyTo: args.replyTo ?? fromFile,
        draft: ({ maxBytes, nowMs, replyTo }) =>
          draftTask(replyTo === undefined ? fields : { ...fields, reply_to: replyTo }, {
            ...{ nowMs, maxBytes, dedup: args.dedup },
          }),
        noWait: args.noWait || !args.wait,
        signal,
        onAsked: spinner.asked,
        ...(spinner.isShown ? { onClaimed: spinner.claimed } : {}),
        ...(args.timeout === undefined ? {} : { timeoutMs: args.timeout * 1000 }),
        ...(args.name === undefined ? {} : { name: args.name }),
        ...(connection.address.kind === 'local' ? { ingest: () => catchUpLog(repo) } : {}),
      }).finally(() => {
        spinner.stop();
        return closeConnection(connection);
      });

      if (outcome.status === 'asked') {
        process.stdout.write(args.json ? `${JSON.stringify({ task: outcome.task })}\n` : `${outcome.task}\n`);
      } else if (outcome.status === 'waiting') {
        const why = signal.aborted ? 'stopped waiting' : 'no answer yet';
        printProblem(`${why}; the task stays asked: ${outcome.task}`, laterCommand(outcome.task, args));
        exit.code = EXIT.noAnswerYet;
      } else {
        printAnswer(outcome, args.json, exit);
      }
    },
  };
}

function build(y: Argv): Argv {
  return (
    y
      .positional('prompt', {
        type: 'string',
        array: true,
        describe: 'The question; none or "-" reads standard input',
      })
      .option('repo', REPO_OPTION)
      .options(TASK_OPTIONS)
      .option('reply-to', {
        type: 'string',
        requiresArg: true,
        describe: 'Continue the conversation of that task: its id, or the beginning of it',
      })
      .option('dedup', {
        type: 'boolean',
        describe: 'Take the answer of an equal task where there is one (leaves out id and asked_at)',
      })
      .option('timeout', {
        type: 'number',
        requiresArg: true,
        describe: 'Seconds to wait; then exit 75, and the task stays asked',
      })
      // yargs reads --no-wait as the opposite of --wait; both are declared, so that one is shown and either is known.
      .option('wait', { type: 'boolean', hidden: true })
      .option('no-wait', { type: 'boolean', describe: 'Print the id of the task at once, and do not wait' })
      .option('json', { type: 'boolean', describe: 'Print the whole record as one line of JSON' })
      .option('name', {
        type: 'string',
        requiresArg: true,
        describe: 'Who asks, where no key says it. Default: the login name',
      })
      .options(SSH_OPTIONS)
      .example('$0 ask "2+2" --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner of the bridge')
      .example(
        'git diff | $0 ask - --system "Review this" --repo ssh://bridge@server/srv/llm-bridge/bridge.git',
        'from elsewhere, with a key of the role asker',
      )
  );
}

/** What to type for the answer when it is there. */
function laterCommand(task: string, args: { repo: string; identity?: string | undefined }): string {
  const identity = args.identity === undefined ? [] : ['--identity', args.identity];
  return ['llm-bridge', 'answer', shortId(task), '--repo', args.repo, ...identity]
    .map(quoteWhereNeeded)
    .join(' ');
}

function quoteWhereNeeded(word: string): string {
  return /^[A-Za-z0-9_./:@~-]+$/.test(word) ? word : shellQuote(word);
}

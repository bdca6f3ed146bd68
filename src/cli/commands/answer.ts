import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { BridgeError } from '../../protocol/bridge-error.js';
import { formatDuration } from '../../protocol/duration.js';
import { shortId } from '../../protocol/names.js';
import { isExpired } from '../../protocol/queue.js';
import { REPO_OPTION, readOptions, repoSchema, SSH_OPTIONS, sshArgs, sshOptionsOf } from '../options.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, type ExitState, printProblem } from '../print-error.js';

const argsSchema = z.object({
  task: z.string(),
  repo: repoSchema,
  json: z.boolean().default(false),
  ...sshArgs,
});

/** `llm-bridge answer <task> --repo R` */
export function answerCommand(exit: ExitState): CommandModule {
  return {
    command: 'answer <task>',
    describe: 'Print the answer to a task that was asked before',
    builder: (y) =>
      y
        .positional('task', {
          type: 'string',
          demandOption: true,
          describe: 'The id of the task, or the beginning of it',
        })
        .option('repo', REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'Print the whole record as one line of JSON' })
        .options(SSH_OPTIONS)
        .example(
          '$0 answer 3f2a1b9c --repo /srv/llm-bridge/bridge.git',
          'exit code 75 where there is none yet',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'answer', ['task']);
      const [{ findTask }, { findAnswer }, { openView }] = await Promise.all([
        import('../../asker/find-task.js'),
        import('../../asker/find-task.js'),
        import('../open-view.js'),
      ]);
      // What is asked for is young as a rule; all of history is brought here only where it is not.
      for (const reach of ['window', 'all'] as const) {
        const view = await openView(args.repo, sshOptionsOf(args), reach);
        try {
          const task = await findTask(view.repo, view.ref, args.task);
          if (task === null) {
            if (reach === 'window' && view.connection.address.kind !== 'local') continue;
            throw noSuchTask(args.task);
          }
          const found = await findAnswer(view.repo, view.ref, task.id);
          if (found !== null) return printAnswer(found, args.json, exit);
          const clock = { nowMs: view.serverNow(), ttlMs: view.taskTtlMs };
          if (isExpired(task.committedAtMs, clock)) {
            throw new BridgeError(
              `${shortId(task.id)} was not answered within ${formatDuration(view.taskTtlMs)}, and will not be any more`,
              { code: 'expired', remedy: 'see that an agent runs ("llm-bridge status"), and ask again' },
            );
          }
          printProblem(`no answer yet to ${shortId(task.id)}`, 'the same again a little later');
          exit.code = EXIT.noAnswerYet;
          return;
        } finally {
          await view.close();
        }
      }
    },
  };
}

function noSuchTask(text: string): BridgeError {
  return new BridgeError(`no task on this bridge begins with ${text}`, {
    code: 'no-such-task',
    remedy: '"llm-bridge list" shows the tasks',
  });
}

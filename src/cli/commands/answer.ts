import { findAnswer, findTask } from '../../asker/find-task.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { formatDuration } from '../../protocol/duration.js';
import { shortId } from '../../protocol/names.js';
import { isExpired } from '../../protocol/queue.js';
import { type CommandIo, defineCommand } from '../command.js';
import { type BridgeView, openView } from '../open-view.js';
import { worded } from '../option.js';
import { OPTIONS, POSITIONALS, SSH_OPTIONS, sshOf } from '../options.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, type ExitCode, printProblem } from '../print-error.js';

/** `llm-bridge answer <task> --repo R` */
export const answerCommand = defineCommand({
  positionals: [POSITIONALS.task],
  options: [OPTIONS.repo, worded(OPTIONS.json, 'Print the whole record as one line of JSON'), ...SSH_OPTIONS],
  examples: [
    ['$0 answer 3f2a1b9c --repo /srv/llm-bridge/bridge.git', 'exit code 75 where there is none yet'],
  ],
  async run(args, io) {
    // What is asked for is young as a rule. All of history is brought here only where it is not.
    for (const reach of ['window', 'all'] as const) {
      const view = await openView(args.repo, sshOf(args), reach);
      try {
        const code = await answerFrom(view, args.task, args.json, io);
        if (code !== null) return code;
        if (view.connection.address.kind === 'local') break;
      } finally {
        await view.close();
      }
    }
    throw new BridgeError(`no task on this bridge begins with ${args.task}`, {
      code: 'no-such-task',
      remedy: '"llm-bridge list" shows the tasks',
    });
  },
});

/** Prints the answer to a task, or says that there is none yet; null where the view has no such task. */
async function answerFrom(
  view: BridgeView,
  prefix: string,
  asJson: boolean,
  { out }: CommandIo,
): Promise<ExitCode | null> {
  const task = await findTask(view.repo, view.ref, prefix);
  if (task === null) return null;
  const found = await findAnswer(view.repo, view.ref, task.id);
  if (found !== null) return printAnswer(found, asJson, out);
  if (isExpired(task.committedAtMs, { nowMs: view.serverNow(), ttlMs: view.taskTtlMs })) {
    throw new BridgeError(
      `${shortId(task.id)} was not answered within ${formatDuration(view.taskTtlMs)}, and will not be any more`,
      { code: 'expired', remedy: 'see that an agent runs ("llm-bridge status"), and ask again' },
    );
  }
  printProblem(`no answer yet to ${shortId(task.id)}`, 'the same again a little later');
  return EXIT.noAnswerYet;
}

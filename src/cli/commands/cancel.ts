import { cancelTask } from '../../asker/cancel-task.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge cancel <task> --repo R` */
export const cancelCommand = defineCommand({
  positionals: [POSITIONALS.task],
  options: [
    OPTIONS.repo,
    OPTIONS.reason,
    worded(OPTIONS.json, 'Print the task and the commit as one line of JSON'),
    worded(OPTIONS.asker, 'Who cancels, where no key says it'),
    ...SSH_OPTIONS,
  ],
  examples: [
    [
      '$0 cancel 3f2a1b9c --reason "wrong file" --repo /srv/llm-bridge/bridge.git',
      'its model stops, and its answer is the error "cancelled"',
    ],
  ],
  async run(args, { out, env }) {
    const { task, commit, isNew } = await cancelTask(accessOf(args, env), {
      task: args.task,
      signal: stopSignal(),
      ...(args.reason === undefined ? {} : { reason: args.reason }),
      ...(args.name === undefined ? {} : { name: args.name }),
    });
    if (args.json) await out.json({ task, commit, new: isNew });
    else await out.print(`cancelled ${task}`);
    return EXIT.done;
  },
});

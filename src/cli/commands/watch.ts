import { watchFile } from '../../asker/watch-file.js';
import { openLocalBridge } from '../../bridge/local-bridge.js';
import { shellQuote } from '../../process/shell-quote.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { defineCommand } from '../command.js';
import { POSITIONALS, WATCH_OPTIONS } from '../options.js';
import { EXIT, printError, printNote, printWarning } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge watch FILE --repo R` */
export const watchCommand = defineCommand({
  positionals: [POSITIONALS.watched],
  options: WATCH_OPTIONS,
  examples: [
    [
      '$0 watch /home/bot/task.txt --repo /srv/llm-bridge/bridge.git',
      'the answers go to answers.log; see llm-bridge log',
    ],
  ],
  async run(args, { out, env }) {
    const { repo, settings } = await openLocalBridge(args.repo, { env, asOwner: true });
    await watchFile({
      repo,
      file: args.file,
      maxBytes: settings.maxTaskBytes,
      taskTtlMs: settings.taskTtlMs,
      answersLog: settings.answersLog,
      settleMs: args.settle * 1000,
      signal: AbortSignal.any([stopSignal(), out.failed]),
      ...(args.name === undefined ? {} : { name: args.name }),
      // A line that cannot be written ends the watch, by the signal.
      onTask: (task, draft) =>
        void out.print(`${task} ${excerpt(oneLine(draft.question), 60)}`).catch(() => {}),
      onProblem: (error) => void printError(error),
      onNoFolder: (folder) =>
        printWarning(
          `the folder ${folder} is not there yet; watch waits for it`,
          `mkdir -p ${shellQuote(folder)}`,
        ),
      onReady: () => printNote(`watching ${args.file} for ${args.repo}`),
    });
    out.failed.throwIfAborted();
    return EXIT.done;
  },
});

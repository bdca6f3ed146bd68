import { ask } from '../../asker/ask.js';
import { draftTask } from '../../asker/task-draft.js';
import { formatDuration } from '../../protocol/duration.js';
import { askBatch } from '../ask-batch.js';
import { askShown, laterCommand } from '../ask-shown.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { DEFAULT_TIMEOUT_S, REQUEST_OPTIONS, TASK_OPTIONS } from '../options/task-options.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import type { Output } from '../output.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, printNote, printProblem } from '../print-error.js';
import { askedFieldsOf, batchMetadataOf } from '../request-fields.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge ask [PROMPT…] --repo R` */
export const askCommand = defineCommand({
  positionals: [POSITIONALS.prompt],
  options: [
    OPTIONS.repo,
    ...TASK_OPTIONS,
    ...REQUEST_OPTIONS,
    OPTIONS.replyTo,
    OPTIONS.dedup,
    OPTIONS.timeout,
    OPTIONS.wait,
    OPTIONS.stream,
    worded(OPTIONS.json, 'Print the whole record as one line of JSON'),
    OPTIONS.asker,
    ...SSH_OPTIONS,
  ],
  examples: [
    ['$0 ask "2+2" --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner of the bridge'],
    [
      'git diff | $0 ask - --system "Review this" --repo ssh://bridge@server/srv/llm-bridge/bridge.git',
      'from elsewhere, with a key of the role asker',
    ],
    ['$0 ask "the weather in Rome?" --tools tools.json --repo …', 'prints which tool the model calls'],
  ],
  async run(args, { out, env }) {
    if (args.batch !== undefined) {
      const { id, total, isNew } = await askBatch(accessOf(args, env), {
        ...{ file: args.batch, metadata: batchMetadataOf(args), name: args.name },
        signal: AbortSignal.any([stopSignal(), out.failed]),
        say: printNote,
      });
      if (!isNew) printNote('all of it was asked before: it is the same batch');
      await (args.json ? out.json({ batch: id, total, new: isNew }) : out.print(id));
      return EXIT.done;
    }
    const { reply_to: fromFile, ...fields } = await askedFieldsOf(args);
    const signal = stopSignal();
    const later = (task: string) => laterCommand('answer', task, args, env);
    // To ask again would make another task: where the output cannot be written, the answer is fetched later.
    const remedy = (task: string) =>
      `it is asked all the same; make room where the output goes, then: ${later(task)}`;
    const isShownLive = isLive(args, out);
    const byItselfS = args.timeout === undefined && !out.isTerminal ? DEFAULT_TIMEOUT_S : null;
    const timeoutS = args.timeout ?? byItselfS;
    const shown = { live: isShownLive ? out : null, env, remedy, byItselfS };
    const outcome = await askShown(shown, (hooks) =>
      ask(accessOf(args, env), {
        ...hooks,
        replyTo: args.replyTo ?? fromFile,
        draft: ({ maxBytes, nowMs, replyTo, stream }) =>
          draftTask(
            {
              ...fields,
              ...(replyTo === undefined ? {} : { reply_to: replyTo }),
              ...(stream ? { stream } : {}),
            },
            { nowMs, maxBytes, dedup: args.dedup },
          ),
        noWait: !args.wait,
        // Where the terminal is gone, nobody waits.
        signal: AbortSignal.any([signal, out.failed]),
        ...(timeoutS === null ? {} : { timeoutMs: timeoutS * 1000 }),
        ...(args.name === undefined ? {} : { name: args.name }),
      }),
    );
    const { task } = outcome;
    if (outcome.status === 'answered') return printAnswer(outcome, args.json, out, remedy(task), isShownLive);
    if (outcome.status === 'asked') {
      await (args.json ? out.json({ task }, remedy(task)) : out.print(task, remedy(task)));
      return EXIT.done;
    }
    const why = signal.aborted ? 'stopped waiting' : `no answer yet${withinDefault(byItselfS)}`;
    printProblem(
      `${why}; the task stays asked: ${task}`,
      `${later(task)}; or end it: ${laterCommand('cancel', task, args, env)}`,
    );
    return EXIT.noAnswerYet;
  },
});

/** An asker who set no time is told that there was one. */
function withinDefault(timeoutS: number | null): string {
  return timeoutS === null ? '' : ` within ${formatDuration(timeoutS * 1000)} (--timeout sets it)`;
}

/**
 * Tokens are for a person who watches: elsewhere the answer is printed once, whole. A task that asks for a
 * stream has other bytes, and with --dedup a task must have the same bytes as an equal one.
 */
function isLive(
  args: { wait: boolean; json: boolean; dedup: boolean; stream: boolean },
  { isTerminal }: Output,
): boolean {
  return isTerminal && args.stream && args.wait && !args.json && !args.dedup;
}

import { sameModel } from '../../agent/backends/same-model.js';
import { ask } from '../../asker/ask.js';
import { draftTask } from '../../asker/task-draft.js';
import { PATIENT, WATCHFUL } from '../../asker/waiting-watch.js';
import { shellQuote } from '../../process/shell-quote.js';
import { shortId } from '../../protocol/names.js';
import { defineCommand } from '../command.js';
import { LiveAnswer } from '../live-answer.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { REQUEST_OPTIONS, TASK_OPTIONS } from '../options/task-options.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import type { Output } from '../output.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, printProblem } from '../print-error.js';
import { askedFieldsOf } from '../request-fields.js';
import { stopSignal } from '../stop-signal.js';
import { waitingNotes } from '../waiting-notes.js';
import { waitingSpinner } from '../waiting-spinner.js';

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
    const { reply_to: fromFile, ...fields } = await askedFieldsOf(args);
    const signal = stopSignal();
    const spinner = waitingSpinner();
    let asked = '';
    const live = isLive(args, out)
      ? new LiveAnswer(out, spinner, {
          remedy: () => remedyOf(laterCommand(asked, args)),
          canMove: canMoveCursor(env),
        })
      : null;
    const notes = waitingNotes();
    const outcome = await ask(accessOf(args, env), {
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
      onAsked(task) {
        asked = task;
        spinner.asked(task);
      },
      // A line of ours in the middle of the answer would be taken for a part of it.
      onWaiting: spinner.isShown ? spinner.waits : (waiting) => live?.isShown || notes(waiting),
      ...(live === null ? {} : { onPiece: (piece) => live.take(piece) }),
      sameModel,
      looks: spinner.isShown ? WATCHFUL : PATIENT,
      ...(args.timeout === undefined ? {} : { timeoutMs: args.timeout * 1000 }),
      ...(args.name === undefined ? {} : { name: args.name }),
    }).finally(spinner.stop);
    await (outcome.status === 'answered' && outcome.answer.answer !== null ? live?.finish() : live?.leave());

    const { task } = outcome;
    const later = laterCommand(task, args);
    // To ask again would be another task: what is lost when the output cannot be written is fetched instead.
    const remedy = remedyOf(later);
    if (outcome.status === 'answered') return printAnswer(outcome, args.json, out, remedy, live !== null);
    if (outcome.status === 'asked') {
      await (args.json ? out.json({ task }, remedy) : out.print(task, remedy));
      return EXIT.done;
    }
    const why = signal.aborted ? 'stopped waiting' : 'no answer yet';
    printProblem(`${why}; the task stays asked: ${task}`, later);
    return EXIT.noAnswerYet;
  },
});

/**
 * Tokens are for a person who watches: elsewhere the answer is printed once, whole. Equal tasks are equal
 * byte for byte, so one that may share the answer of another does not ask for more than that.
 */
function isLive(
  args: { wait: boolean; json: boolean; dedup: boolean; stream: boolean },
  { isTerminal }: Output,
): boolean {
  return isTerminal && args.stream && args.wait && !args.json && !args.dedup;
}

/** As for a spinner: such a terminal only ever goes on. */
function canMoveCursor({ TERM, CI }: NodeJS.ProcessEnv): boolean {
  return TERM !== 'dumb' && CI === undefined;
}

function remedyOf(later: string): string {
  return `it is asked all the same; make room where the output goes, then: ${later}`;
}

/** What to type for the answer when it is there. */
function laterCommand(task: string, args: { repo: string; identity?: string | undefined }): string {
  const identity = args.identity === undefined ? [] : ['--identity', args.identity];
  return ['llm-bridge', 'answer', shortId(task), '--repo', args.repo, ...identity].map(shellQuote).join(' ');
}

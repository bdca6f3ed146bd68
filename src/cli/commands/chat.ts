import { Conversation, type LastAnswer } from '../../asker/conversation.js';
import { draftTask } from '../../asker/task-draft.js';
import { shellQuote } from '../../process/shell-quote.js';
import { shortId } from '../../protocol/names.js';
import { stripControls } from '../../protocol/printable.js';
import type { TaskJson } from '../../protocol/task.js';
import { type Access, accessWords } from '../ask-shown.js';
import { say } from '../chat/chat-commands.js';
import { ChatSession } from '../chat/chat-session.js';
import { type LineHistory, lineHistoryFile, openLineHistory } from '../chat/line-history.js';
import { PipedLines } from '../chat/piped-lines.js';
import { TerminalLines } from '../chat/terminal-lines.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { DEFAULT_TIMEOUT_S } from '../options/task-options.js';
import { OPTIONS } from '../options.js';
import type { Output } from '../output.js';
import { EXIT, printWarning } from '../print-error.js';
import { openSpinner } from '../waiting-spinner.js';

/** `llm-bridge chat --repo R` */
export const chatCommand = defineCommand({
  options: [
    OPTIONS.repo,
    worded(
      OPTIONS.replyTo,
      'Go on with the conversation of that task: its id or the beginning of it, or "last"',
    ),
    OPTIONS.taskModel,
    OPTIONS.taskBackend,
    OPTIONS.system,
    OPTIONS.temperature,
    OPTIONS.maxTokens,
    OPTIONS.numCtx,
    OPTIONS.timeout,
    OPTIONS.asker,
    ...SSH_OPTIONS,
  ],
  examples: [
    [
      '$0 chat --repo ssh://bridge@server/srv/llm-bridge/bridge.git',
      'type a question; /help lists the commands',
    ],
    ['$0 chat --reply-to last --repo …', 'go on where it stood'],
    ['$0 chat --repo … < questions.txt', 'each line is a question; the answers alone are printed'],
  ],
  epilog:
    'Each question is a task that replies to the one before it, so the record has the conversation. Where standard input or output is no terminal, each line of standard input is a question.',
  async run(args, { out, env }) {
    const fields = fieldsOf(args);
    // Faults of the options are told before anything is opened, and not at the first question.
    draftTask({ ...fields, prompt: 'a question' }, { nowMs: Date.now(), dedup: true });
    const isTerminal = process.stdin.isTTY === true && out.isTerminal;
    const { conversation, lastAnswer } = await Conversation.open(accessOf(args, env), {
      replyTo: args.replyTo,
      name: args.name,
    });
    try {
      const history = isTerminal ? await historyOf(env) : null;
      const lines = isTerminal ? terminalLines(out, history) : new PipedLines(process.stdin);
      const onSignal = (name: NodeJS.Signals) => {
        if (name === 'SIGINT') lines.interrupt();
        else lines.close();
      };
      process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
      try {
        if (isTerminal) await greet(out, lastAnswer, args.replyTo !== undefined);
        const timeoutS = args.timeout ?? (isTerminal ? undefined : DEFAULT_TIMEOUT_S);
        const session = new ChatSession({
          ...{ conversation, lines, out, env, isTerminal, history, fields, access: args },
          spinner: isTerminal ? openSpinner() : null,
          timeoutMs: timeoutS === undefined ? undefined : timeoutS * 1000,
        });
        const isGood = await session.run();
        if (isTerminal) farewell(conversation.stands, args, env);
        // A person has seen what failed.
        return isGood || isTerminal ? EXIT.done : EXIT.failed;
      } finally {
        process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
        lines.close();
      }
    } finally {
      await conversation.close();
    }
  },
});

function fieldsOf(args: {
  readonly model: string | undefined;
  readonly backend: string | undefined;
  readonly system: string | undefined;
  readonly temperature: number | undefined;
  readonly maxTokens: number | undefined;
  readonly numCtx: number | undefined;
}): Omit<TaskJson, 'prompt'> {
  const { model, backend, system, temperature, maxTokens, numCtx } = args;
  const given = {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(numCtx === undefined ? {} : { num_ctx: numCtx }),
  };
  return {
    ...(model === undefined ? {} : { model }),
    ...(backend === undefined ? {} : { backend }),
    ...(system === undefined ? {} : { system }),
    ...(Object.keys(given).length === 0 ? {} : { options: given }),
  };
}

async function historyOf(env: NodeJS.ProcessEnv): Promise<LineHistory | null> {
  const file = lineHistoryFile(env);
  try {
    return await openLineHistory(file);
  } catch (error) {
    printWarning(
      `what is typed is not kept for the next chat: ${(error as Error).message}`,
      `make room for ${file}, or let it be written; the record has every question`,
    );
    return null;
  }
}

function terminalLines(out: Output, history: LineHistory | null): TerminalLines {
  return new TerminalLines(
    { input: process.stdin, output: out.raw },
    { history: history?.lines ?? [], hint: 'Ctrl-D or /quit leaves' },
  );
}

async function greet(out: Output, lastAnswer: LastAnswer | null, isResumed: boolean): Promise<void> {
  say('/help lists the commands, Ctrl-D leaves');
  if (lastAnswer !== null) {
    say(`goes on from ${shortId(lastAnswer.task)}:\n> ${stripControls(lastAnswer.question)}`);
    await out.print(lastAnswer.answer);
  } else if (isResumed)
    say('that conversation has no answer yet: it begins here; /retry asks its question again');
}

function farewell(stands: string | undefined, access: Access, env: NodeJS.ProcessEnv): void {
  if (stands === undefined) return;
  const words = ['llm-bridge', 'chat', '--reply-to', shortId(stands), ...accessWords(access, env)];
  say(`to go on: ${words.map(shellQuote).join(' ')}`);
}

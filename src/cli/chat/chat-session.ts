import type { Spinner } from 'yocto-spinner';
import type { AskOutcome } from '../../asker/ask.js';
import type { Conversation, TurnOptions } from '../../asker/conversation.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { shortId } from '../../protocol/names.js';
import { oneLine } from '../../protocol/printable.js';
import type { TaskJson } from '../../protocol/task.js';
import { type Access, askShown, laterCommand } from '../ask-shown.js';
import type { LiveTerminal } from '../live-answer.js';
import type { Output } from '../output.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, printError, printProblem } from '../print-error.js';
import { stopNow } from '../stop-signal.js';
import { COMMAND, HELP, say } from './chat-commands.js';
import type { LineHistory } from './line-history.js';
import type { LineSource } from './line-source.js';

/** What a chat is made of. */
export interface ChatParts {
  readonly conversation: Conversation;
  readonly lines: LineSource;
  readonly out: Output;
  readonly env: NodeJS.ProcessEnv;
  /** A person is there: answers come live, and a failure does not end the chat. */
  readonly isTerminal: boolean;
  readonly spinner: Spinner | null;
  readonly history: Pick<LineHistory, 'add'> | null;
  /** The fields of every task, without its question. */
  readonly fields: Omit<TaskJson, 'prompt'>;
  readonly timeoutMs: number | undefined;
  /** How the bridge is reached, for the commands that are named. */
  readonly access: Access;
}

const PROMPT = '> ';
const MORE = '. ';
const QUOTES = '"""';

/** A chat: reads lines, asks them, shows the answers. */
export class ChatSession {
  readonly #parts: ChatParts;
  readonly #live: LiveTerminal | null;
  #onResize: () => void = () => {};
  #model: string | undefined;
  #answeredBy: string | null = null;
  #hasFailed = false;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#model = parts.fields.model;
    const { out } = parts;
    // Each answer sets its own listener; the terminal has one for all of them.
    if (parts.isTerminal) out.onResize(() => this.#onResize());
    this.#live = parts.isTerminal
      ? {
          get columns() {
            return out.columns;
          },
          get rows() {
            return out.rows;
          },
          onResize: (changed) => {
            this.#onResize = changed;
          },
          draw: (text, remedy) => out.draw(text, remedy),
        }
      : null;
  }

  /** Goes on until there are no more lines. True where each question got a good answer. */
  async run(): Promise<boolean> {
    for (;;) {
      const line = await this.#read();
      if (line === null || !(await this.#do(line))) return !this.#hasFailed;
    }
  }

  async #read(): Promise<string | null> {
    const { lines } = this.#parts;
    const first = await lines.next(PROMPT);
    if (first === null || !first.trimStart().startsWith(QUOTES)) return first;
    let text = first.trimStart().slice(QUOTES.length);
    while (!text.trimEnd().endsWith(QUOTES)) {
      const next = await lines.next(MORE);
      if (next === null) return null;
      text += `\n${next}`;
    }
    return text.trimEnd().slice(0, -QUOTES.length).trim();
  }

  /** False: the chat is over. */
  async #do(line: string): Promise<boolean> {
    const text = line.trim();
    if (text === '') return true;
    await this.#remember(text);
    const [, command, argument] = COMMAND.exec(text) ?? [];
    switch (command) {
      case undefined:
        await this.#turn((how) => this.#parts.conversation.ask({ ...this.#fields(), prompt: line }, how));
        return true;
      case 'quit':
      case 'exit':
      case 'bye':
        return false;
      case 'help':
        say(HELP);
        return true;
      case 'model':
        this.#setModel(argument?.trim());
        return true;
      case 'retry':
        await this.#turn((how) => this.#parts.conversation.retry(this.#fields(), how));
        return true;
      default:
        this.#fail(`there is no command /${command}`, '/help; a question begins with another character');
        return true;
    }
  }

  #fields(): Omit<TaskJson, 'prompt'> {
    const { fields } = this.#parts;
    return this.#model === undefined ? fields : { ...fields, model: this.#model };
  }

  #setModel(name: string | undefined): void {
    if (name !== undefined) this.#model = name;
    const last = this.#answeredBy === null ? '' : `; the last answer is by ${oneLine(this.#answeredBy)}`;
    say(this.#model === undefined ? `whichever the agent chooses${last}` : `asks ${oneLine(this.#model)}`);
  }

  async #remember(text: string): Promise<void> {
    try {
      await this.#parts.history?.add(text);
    } catch {
      // A full disk is no reason to stop talking; the record has the question.
    }
  }

  /** Asks, shows the answer, and lets Ctrl-C cancel. */
  async #turn(ask: (how: TurnOptions) => Promise<AskOutcome | null>): Promise<void> {
    const { lines, out, env, access, spinner, timeoutMs, isTerminal } = this.#parts;
    const stop = new AbortController();
    lines.onInterrupt(() => {
      if (stop.signal.aborted) stopNow('SIGINT');
      stop.abort(new BridgeError('stopped by Ctrl-C', { code: 'stopped', remedy: 'ask again: /retry' }));
    });
    const remedy = (task: string) =>
      `it is asked all the same; make room where the output goes, then: ${laterCommand('answer', task, access, env)}`;
    const shown = { live: this.#live, env, remedy, spinner };
    try {
      const outcome = await askShown(shown, (hooks) =>
        ask({
          ...hooks,
          signal: AbortSignal.any([stop.signal, out.failed]),
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        }),
      );
      out.failed.throwIfAborted();
      if (outcome === null) this.#fail('there is no question to ask again', 'type one');
      else if (outcome.status === 'answered') {
        this.#answeredBy = outcome.answer.model ?? this.#answeredBy;
        const exitCode = await printAnswer(outcome, false, out, remedy(outcome.task), this.#live !== null);
        if (exitCode !== EXIT.done) this.#hasFailed = true;
      } else if (stop.signal.aborted) await this.#cancel(outcome.task);
      else {
        const later = laterCommand('answer', outcome.task, access, env);
        const cancel = laterCommand('cancel', outcome.task, access, env);
        this.#fail(`no answer yet; the task stays asked: ${outcome.task}`, `${later}; or end it: ${cancel}`);
      }
    } catch (error) {
      // Where nothing can be written, or no person watches, the chat is over.
      if (out.failed.aborted || (!isTerminal && !stop.signal.aborted)) throw error;
      this.#hasFailed = true;
      printError(error);
    } finally {
      lines.onInterrupt(null);
    }
  }

  async #cancel(task: string): Promise<void> {
    const { conversation, access, env, lines } = this.#parts;
    this.#hasFailed = true;
    lines.onInterrupt(() => stopNow('SIGINT'));
    const id = shortId(task);
    say(`cancelling ${id}, as does: ${laterCommand('cancel', task, access, env)}`);
    say(`what came of it: ${laterCommand('answer', task, access, env)}`);
    await conversation.cancel(task);
    say(`cancelled ${id}; /retry asks it again`);
  }

  #fail(problem: string, remedy: string): void {
    this.#hasFailed = true;
    printProblem(problem, remedy);
  }
}

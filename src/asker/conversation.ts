import type { BridgeView } from '../bridge/bridge-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { shortId } from '../protocol/names.js';
import { questionOf, type TaskJson } from '../protocol/task.js';
import { type AskOptions, type AskOutcome, askInView } from './ask.js';
import { type Cancelled, cancelInView } from './cancel-task.js';
import { authorOf, openToWrite, type Writer } from './commit-to-view.js';
import { findAnswer } from './find-answer.js';
import { findLastTask, findTaskAnywhere, LAST } from './find-task.js';
import { readFields } from './read-fields.js';
import { draftTask } from './task-draft.js';

/** The newest task of a conversation that has a good answer. */
export interface LastAnswer {
  readonly task: string;
  readonly question: string;
  readonly answer: string;
}

/** The options of one question: those of `ask` that the conversation does not set itself. */
export type TurnOptions = Pick<
  AskOptions,
  'signal' | 'timeoutMs' | 'onAsked' | 'onWaiting' | 'onPiece' | 'looks' | 'sameModel' | 'wantsPlace'
>;

/** What was asked, and the task that it replies to. */
interface Turn {
  readonly fields: TaskJson;
  readonly replyTo: string | undefined;
}

/**
 * A conversation on a bridge: each question is a task that replies to the last one with a good answer, so
 * the record has all of it. The bridge stays open in between; after a failure it is opened again.
 */
export class Conversation {
  readonly #access: BridgeAccess;
  readonly #writer: Writer;
  #view: BridgeView | null;
  #stands: string | undefined;
  #turn: Turn | null = null;

  private constructor(access: BridgeAccess, writer: Writer, view: BridgeView) {
    this.#access = access;
    this.#writer = writer;
    this.#view = view;
  }

  /**
   * Opens a bridge for a conversation: a new one, or with `replyTo` (an id, the beginning of it, or LAST)
   * the one of that task. Where that task was answered with an error, the conversation stands before it.
   * `lastAnswer` is null where it has no good answer yet. Close it. Throws BridgeError as openToWrite does,
   * and `no-such-task`, `not-answered`, `failed-task` or `usage` for the task.
   */
  static async open(
    access: BridgeAccess,
    { replyTo, ...writer }: Writer & { readonly replyTo?: string | undefined },
  ): Promise<{ readonly conversation: Conversation; readonly lastAnswer: LastAnswer | null }> {
    const view = await openToWrite(access, replyTo === undefined ? 'tip' : 'window', writer);
    try {
      const conversation = new Conversation(access, writer, view);
      const lastAnswer = replyTo === undefined ? null : await conversation.#resume(view, replyTo);
      return { conversation, lastAnswer };
    } catch (error) {
      await view.close();
      throw error;
    }
  }

  /** The newest task with a good answer; undefined before there is one. */
  get stands(): string | undefined {
    return this.#stands;
  }

  /** Asks the next question. Throws what `ask` throws. */
  ask(fields: TaskJson, options: TurnOptions): Promise<AskOutcome> {
    return this.#ask({ fields, replyTo: this.#stands }, options);
  }

  /**
   * Asks the last question again, with `changes` to its fields, as a reply to the same task as before. Null
   * where there is none.
   */
  async retry(changes: Partial<TaskJson>, options: TurnOptions): Promise<AskOutcome | null> {
    if (this.#turn === null) return null;
    const { fields, replyTo } = this.#turn;
    return this.#ask({ fields: { ...fields, ...changes }, replyTo }, options);
  }

  /** Cancels a task of this conversation. Throws what `cancelTask` throws. */
  cancel(task: string): Promise<Cancelled> {
    return this.#using((view) => cancelInView(view, { ...this.#nameOfWriter(), task }));
  }

  async close(): Promise<void> {
    const view = this.#view;
    this.#view = null;
    await view?.close();
  }

  async #ask(turn: Turn, options: TurnOptions): Promise<AskOutcome> {
    this.#turn = turn;
    const { fields, replyTo } = turn;
    const outcome = await this.#using((view) =>
      askInView(view, {
        ...options,
        ...this.#nameOfWriter(),
        ...(replyTo === undefined ? {} : { replyTo }),
        draft: ({ maxBytes, nowMs, replyTo: reply_to, stream }) => {
          const more = { ...(reply_to === undefined ? {} : { reply_to }), ...(stream ? { stream } : {}) };
          return draftTask({ ...fields, ...more }, { nowMs, maxBytes, dedup: false });
        },
      }),
    );
    if (outcome.status === 'answered' && outcome.answer.error === null) this.#stands = outcome.task;
    return outcome;
  }

  #nameOfWriter() {
    return this.#writer.name === undefined ? {} : { name: this.#writer.name };
  }

  /**
   * Works with the open view. Where something fails the view may be damaged or cut off, so it is closed, and
   * the next call opens another.
   */
  async #using<T>(work: (view: BridgeView) => Promise<T>): Promise<T> {
    const reach = this.#turn === null ? 'tip' : 'window';
    this.#view ??= await openToWrite(this.#access, reach, { name: this.#writer.name });
    try {
      return await work(this.#view);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #resume(view: BridgeView, text: string): Promise<LastAnswer | null> {
    const { signal } = this.#writer;
    const last =
      text === LAST
        ? await findLastTask(view, authorOf(view.terms, this.#writer), signal)
        : await findTaskAnywhere(view, text, { signal });
    for (let task = last; ; ) {
      const found = await findAnswer(view, task.id, signal);
      if (found === null) throw notAnswered(task.id);
      const fields = await readFields(view, task);
      if (fields.request !== undefined) throw isRequest(task.id);
      this.#turn ??= { fields: withoutOwn(fields), replyTo: fields.reply_to };
      if (found.answer.error === null) {
        this.#stands = task.id;
        return { task: task.id, question: questionOf(fields), answer: found.answer.answer ?? '' };
      }
      if (fields.reply_to === undefined) return null;
      task = await findTaskAnywhere(view, fields.reply_to, { signal });
    }
  }
}

/** Without what belongs to that one task. */
function withoutOwn({
  id: _id,
  asked_at: _at,
  reply_to: _to,
  stream: _stream,
  ...fields
}: TaskJson): TaskJson {
  return fields as TaskJson;
}

function notAnswered(task: string): BridgeError {
  const id = shortId(task);
  return new BridgeError(`${id} has no answer yet, so the conversation cannot go on`, {
    code: 'not-answered',
    remedy: `wait for it: llm-bridge answer ${id}; or end it: llm-bridge cancel ${id}`,
  });
}

function isRequest(task: string): BridgeError {
  return new BridgeError(`${shortId(task)} is a request, which has no conversation to go on with`, {
    code: 'failed-task',
    remedy: 'name a task that was asked in words: --reply-to ID; "llm-bridge list" shows them',
  });
}

import type { FoundAnswer } from '../asker/find-answer.js';
import { createNotifier, type Notifier } from '../bridge/notifier.js';
import type { StreamPiece } from '../protocol/stream.js';
import { CallReply } from './call-reply.js';
import type { HeardCursor } from './heard-events.js';
import type { CallEvent, LiveCall } from './live-call.js';
import { notAsked } from './task-errors.js';

/** What a call needs of whoever keeps it. */
export interface CallKeeper {
  /** How long a client waits. Milliseconds. */
  readonly waitMs: number;
  /** How long a call without a client is kept. Milliseconds. */
  readonly lingerMs: number;
  /** Nobody will come back: the task is to be cancelled if it is open, and the call forgotten. */
  readonly abandoned: (call: Call) => void;
}

interface Listener {
  readonly cursor: HeardCursor;
  readonly notifier: Notifier;
}

/** One task of the gateway, and the clients that wait for it. */
export class Call {
  readonly #keeper: CallKeeper;
  readonly #listeners = new Set<Listener>();
  readonly #reply = new CallReply(() => this.#wake());
  #task: string | null = null;
  #expected: string | null = null;
  #failure: { readonly error: unknown } | null = null;
  #isDelivered = false;
  #isCancelled = false;
  #isClosed = false;
  #linger: NodeJS.Timeout | null = null;

  /**
   * `content` and `key` are those of `contentOf` and `keyOf`: the same for two calls that are the same, and
   * what a client finds its call by though another one listens.
   */
  constructor(
    keeper: CallKeeper,
    readonly content: string,
    readonly key: string | null,
  ) {
    this.#keeper = keeper;
  }

  /** Null until the task is on main. */
  get task(): string | null {
    return this.#task;
  }

  /** The id that its task has, or is about to have on main; null before that is known. */
  get expected(): string | null {
    return this.#expected;
  }

  get isAnswered(): boolean {
    return this.#reply.isAnswered;
  }

  /** How many clients wait for it. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  /**
   * Whether the same call, sent again, joins this one: nobody listens to it, nobody has its answer, and it
   * was not cancelled: who stops an answer and asks the same once more wants a new one.
   */
  get isOrphan(): boolean {
    return this.listenerCount === 0 && !this.#isDelivered && !this.#isCancelled && this.#failure === null;
  }

  /** The task is on its way to main, and will have this id there. */
  expects(task: string): void {
    this.#expected = task;
  }

  /** The task is on main under this id. */
  asked(task: string): void {
    this.#task = task;
    this.#expected = task;
    this.#wake();
  }

  /** It could not be asked. */
  failed(error: unknown): void {
    this.#failure = { error };
    this.#stop();
    this.#wake();
  }

  /** The next piece of the stream of the task. */
  take(piece: StreamPiece): void {
    this.#reply.take(piece);
  }

  /** A cancel of the task is on main, or on its way there. */
  cancelled(): void {
    this.#isCancelled = true;
  }

  /** The answer is on main. What is still to come of its stream is waited for a moment. */
  answered(found: FoundAnswer): void {
    if (found.answer.error?.code === 'cancelled') this.cancelled();
    this.#reply.answered(found);
  }

  /** Starts to wait for a client that comes back. Called from outside for a call that never had a client. */
  linger(): void {
    if (this.listenerCount > 0 || this.#linger !== null || this.#isClosed) return;
    this.#linger = setTimeout(() => {
      this.#stop();
      this.#keeper.abandoned(this);
    }, this.#keeper.lingerMs);
  }

  /** Ends all timers: the gateway closes, and the task stays as it is. */
  close(): void {
    this.#isClosed = true;
    for (const listener of [...this.#listeners]) this.#leave(listener, false);
    this.#stop();
  }

  /**
   * A client comes. Resolves once the task is on main. Throws where it could not be asked, ApiError 503
   * where that takes longer than a call waits, and the signal's reason.
   */
  async join(isJoined: boolean, signal?: AbortSignal): Promise<LiveCall> {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    const listener: Listener = { cursor: this.#reply.heard.open(), notifier: createNotifier() };
    this.#listeners.add(listener);
    const endsAtMs = performance.now() + this.#keeper.waitMs;
    try {
      while (this.#task === null && this.#failure === null) {
        signal?.throwIfAborted();
        const leftMs = endsAtMs - performance.now();
        if (leftMs <= 0) throw notAsked();
        await listener.notifier.wait(leftMs, signal);
      }
      if (this.#failure !== null) throw this.#failure.error;
    } catch (error) {
      this.#leave(listener, false);
      throw error;
    }
    return {
      task: this.#task ?? '',
      isJoined,
      events: this.#listen(listener, endsAtMs),
      leave: ({ delivered } = { delivered: false }) => this.#leave(listener, delivered),
    };
  }

  async *#listen(listener: Listener, endsAtMs: number): AsyncGenerator<CallEvent, void, undefined> {
    while (this.#listeners.has(listener)) {
      const { cursor } = listener;
      const { heard } = this.#reply;
      for (let next = heard.next(cursor); next !== null; next = heard.next(cursor)) yield next;
      if (!this.#listeners.has(listener)) return;
      const answer = this.#reply.answerFor(cursor);
      if (answer !== null) return yield answer;
      const leftMs = endsAtMs - performance.now();
      if (leftMs <= 0) return yield { unanswered: 'wait' };
      await listener.notifier.wait(leftMs);
    }
  }

  #leave(listener: Listener, delivered: boolean): void {
    if (!this.#listeners.delete(listener)) return;
    this.#reply.heard.close(listener.cursor);
    listener.notifier.ring();
    if (delivered) this.#isDelivered = true;
    // Without a key nobody finds it again: its answer was delivered.
    if (this.#isDelivered && this.key === null && this.listenerCount === 0) {
      this.close();
      this.#keeper.abandoned(this);
    }
    if (this.#failure === null && !this.#isClosed) this.linger();
  }

  #wake(): void {
    for (const { notifier } of this.#listeners) notifier.ring();
  }

  #stop(): void {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#reply.stop();
  }
}

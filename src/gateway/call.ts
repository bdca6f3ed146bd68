import type { FoundAnswer } from '../asker/find-answer.js';
import { createNotifier, type Notifier } from '../bridge/notifier.js';
import type { StreamPiece } from '../protocol/stream.js';
import { ApiError } from './api-errors.js';

/**
 * What a client hears of its call. `event`: the next raw event of the model server, an SSE block or an NDJSON
 * line. `restart`: a second generation begins, and what came before is void. `answer`: the record's answer,
 * the last that comes; `isWhole` says that the events since the last restart are all of the stream.
 * `unanswered`: there is none within the time that a call waits; the task may still be answered.
 */
export type CallEvent =
  | { readonly event: string }
  | { readonly restart: true }
  | { readonly answer: FoundAnswer['answer']; readonly from: string; readonly isWhole: boolean }
  | { readonly unanswered: 'wait' };

/** A client's place at a call. */
export interface LiveCall {
  /** The id of the task in the record. */
  readonly task: string;
  /** Whether the task was there before: a client that left, or one with the same key, has asked for it. */
  readonly isJoined: boolean;
  /** What comes, from the beginning. Read it once. Ends after `answer` or `unanswered`, or when left. */
  readonly events: AsyncIterable<CallEvent>;
  /**
   * The client has gone, or has all that it is to get. `delivered`: it has the whole answer, so the same
   * question asked again is a new one. May be called twice.
   */
  leave(how?: { readonly delivered: boolean }): void;
}

/** What a call needs of whoever keeps it. */
export interface CallKeeper {
  /** How long a client waits. Milliseconds. */
  readonly waitMs: number;
  /** How long a call without a client is kept. Milliseconds. */
  readonly lingerMs: number;
  /** Nobody will come back: the task is to be cancelled if it is open, and the call forgotten. */
  readonly abandoned: (call: Call) => void;
}

/** More than this of what all have read is not kept for clients that come back. Characters. */
const MAX_REPLAY_CHARS = 256 * 1024;

/** After the answer, the rest of its stream may still be on its way. Milliseconds. */
const STREAM_TAIL_MS = 2_000;

type Heard = { readonly event: string } | { readonly restart: true };

interface Listener {
  /** The next of `heard` to read, counted from the very first. */
  at: number;
  /** It came when the beginning was not kept any more: it hears of the next generation, or of the answer. */
  isLate: boolean;
  readonly notifier: Notifier;
}

/** One task of the gateway, and the clients that wait for it. */
export class Call {
  readonly #keeper: CallKeeper;
  readonly #listeners = new Set<Listener>();
  #task: string | null = null;
  #failure: { readonly error: unknown } | null = null;
  /** What was heard; those before the first were dropped. */
  #heard: Heard[] = [];
  #dropped = 0;
  /** The first of the last generation, counted from the very first; what came before it is void. */
  #begunAt = 0;
  #chars = 0;
  #stream: 'none' | 'begun' | 'ended' = 'none';
  #answer: FoundAnswer | null = null;
  #isAnswerOut = false;
  #isDelivered = false;
  #isClosed = false;
  #linger: NodeJS.Timeout | null = null;
  #tail: NodeJS.Timeout | null = null;

  /**
   * `content`: what two calls share that are the same. `key`: by which a client finds it although another one
   * listens; null for none.
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

  get isAnswered(): boolean {
    return this.#answer !== null;
  }

  /** How many clients wait for it. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /** Whether the same question, asked again, is this one: nobody listens, and nobody has its answer. */
  get isOrphan(): boolean {
    return !this.hasListeners && !this.#isDelivered && this.#failure === null;
  }

  /** The task is on main under this id. */
  asked(task: string): void {
    this.#task = task;
    this.#wake();
  }

  /** The task could not be asked. */
  failed(error: unknown): void {
    this.#failure = { error };
    this.#stop();
    this.#wake();
  }

  /** The next piece of the stream of the task. */
  take(piece: StreamPiece): void {
    if (this.#isAnswerOut) return;
    // As long as it comes, it is waited for.
    this.#tail?.refresh();
    if ('begin' in piece) {
      if (this.#stream !== 'none') this.#hear({ restart: true });
      this.#stream = 'begun';
    } else if ('event' in piece) this.#hear({ event: piece.event });
    else if ('end' in piece) {
      this.#stream = 'ended';
      if (this.#answer !== null) this.#say();
    }
  }

  /** The answer is on main. What is still to come of its stream is waited for a moment. */
  answered(found: FoundAnswer): void {
    if (this.#answer !== null) return;
    this.#answer = found;
    const isStreaming = this.#stream === 'begun' && found.answer.error === null;
    if (isStreaming) this.#tail = setTimeout(() => this.#say(), STREAM_TAIL_MS);
    else this.#say();
  }

  /** Starts to wait for a client that comes back; for a call that nobody listens to from its beginning. */
  linger(): void {
    if (this.hasListeners || this.#linger !== null || this.#isClosed) return;
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
   * A client comes. Resolves once the task is on main. Throws where it could not be asked, ApiError 503 where
   * that takes longer than a call waits, and the signal's reason.
   */
  async join(isJoined: boolean, signal?: AbortSignal): Promise<LiveCall> {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    const at = Math.max(this.#dropped, this.#begunAt);
    const listener: Listener = { at, isLate: at > this.#begunAt, notifier: createNotifier() };
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
      for (let next = this.#next(listener); next !== null; next = this.#next(listener)) yield next;
      if (!this.#listeners.has(listener)) return;
      if (this.#isAnswerOut && this.#answer !== null) {
        const { answer, commit: from } = this.#answer;
        yield { answer, from, isWhole: this.#stream === 'ended' && !listener.isLate };
        return;
      }
      const leftMs = endsAtMs - performance.now();
      if (leftMs <= 0) {
        yield { unanswered: 'wait' };
        return;
      }
      await listener.notifier.wait(leftMs);
    }
  }

  #next(listener: Listener): Heard | null {
    for (;;) {
      if (listener.at < this.#dropped) {
        listener.at = this.#dropped;
        listener.isLate = true;
      }
      const next = this.#heard[listener.at - this.#dropped];
      if (next === undefined) return null;
      listener.at += 1;
      this.#forget();
      if (!listener.isLate) return next;
      if ('restart' in next) listener.isLate = false;
    }
  }

  /** Drops what all have read, where it is much. */
  #forget(): void {
    if (this.#chars <= MAX_REPLAY_CHARS) return;
    const first = Math.min(...[...this.#listeners].map(({ at }) => at));
    if (!Number.isFinite(first)) return;
    for (const one of this.#heard.splice(0, first - this.#dropped)) this.#chars -= lengthOf(one);
    this.#dropped = first;
  }

  #hear(what: Heard): void {
    this.#heard.push(what);
    this.#chars += lengthOf(what);
    if ('restart' in what) this.#begunAt = this.#dropped + this.#heard.length;
    // Nobody reads it, and who comes back is told the answer.
    if (!this.hasListeners && this.#chars > MAX_REPLAY_CHARS) {
      this.#dropped += this.#heard.length;
      this.#heard = [];
      this.#chars = 0;
    }
    this.#wake();
  }

  #say(): void {
    if (this.#tail !== null) clearTimeout(this.#tail);
    this.#isAnswerOut = true;
    this.#wake();
  }

  #leave(listener: Listener, delivered: boolean): void {
    if (!this.#listeners.delete(listener)) return;
    listener.notifier.ring();
    if (delivered) this.#isDelivered = true;
    // Nothing is left to find here.
    if (this.#isDelivered && this.key === null && !this.hasListeners) {
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
    if (this.#tail !== null) clearTimeout(this.#tail);
  }
}

function notAsked(): ApiError {
  return new ApiError('the bridge could not be reached in time, so the call was not asked', {
    status: 503,
    code: 'not_asked',
    retryAfterS: 1,
  });
}

function lengthOf(what: Heard): number {
  return 'event' in what ? what.event.length : 0;
}

import type { FoundAnswer } from '../asker/find-answer.js';
import type { StreamPiece } from '../protocol/stream.js';
import { type HeardCursor, HeardEvents } from './heard-events.js';
import type { CallEvent } from './live-call.js';

/** After the answer, the rest of its stream is waited for this long after its last piece. Milliseconds. */
const STREAM_TAIL_MS = 2_000;

/** What has come back for a task of the gateway: its stream, piece by piece, and its answer. */
export class CallReply {
  /** The events of the stream; each client reads them at its own pace. */
  readonly heard = new HeardEvents();
  readonly #wake: () => void;
  #stream: 'none' | 'begun' | 'ended' = 'none';
  #answer: FoundAnswer | null = null;
  #isAnswerOut = false;
  #tail: NodeJS.Timeout | null = null;

  /** `wake`: called whenever there may be more to read. */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Whether the answer is on main, whether the clients were told or not. */
  get isAnswered(): boolean {
    return this.#answer !== null;
  }

  /** The next piece of the stream of the task. */
  take(piece: StreamPiece): void {
    if (this.#isAnswerOut) return;
    // As long as pieces come, the rest is waited for.
    this.#tail?.refresh();
    if ('begin' in piece) {
      if (this.#stream !== 'none') this.heard.hear({ restart: true });
      this.#stream = 'begun';
    } else if ('event' in piece) this.heard.hear(piece);
    else if ('end' in piece) {
      this.#stream = 'ended';
      if (this.#answer !== null) this.#say();
    }
    this.#wake();
  }

  /** The answer is on main. What is still to come of its stream is waited for a moment. */
  answered(found: FoundAnswer): void {
    if (this.#answer !== null) return;
    this.#answer = found;
    const isComing = this.#stream === 'begun' && found.answer.error === null;
    if (isComing) this.#tail = setTimeout(() => this.#say(), STREAM_TAIL_MS);
    else this.#say();
  }

  /** The last event for a client that has read up to this cursor; null as long as it is to wait. */
  answerFor(cursor: HeardCursor): CallEvent | null {
    if (!this.#isAnswerOut || this.#answer === null) return null;
    const { answer, commit: from } = this.#answer;
    return { answer, from, isWhole: this.#stream === 'ended' && !cursor.isLate };
  }

  /** Ends the timer. */
  stop(): void {
    if (this.#tail !== null) clearTimeout(this.#tail);
  }

  #say(): void {
    this.stop();
    this.#isAnswerOut = true;
    this.#wake();
  }
}

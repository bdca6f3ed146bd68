/** A piece of what a model says: of the answer, of its thinking, or an event of a call. */
export type SaidPiece =
  | { readonly text: string }
  | { readonly thinking: string }
  | { readonly event: string };

/**
 * What comes within this time goes out as one line. A fast model says 200 pieces a second and more, and each
 * line is a write, a packet and a parse; to a person, 67 lines a second look like a steady flow.
 * Milliseconds.
 */
export const JOIN_MS = 15;

/**
 * Joins the pieces that a model says into few lines: text with text, thinking with thinking, in their order.
 * Events stay whole, and are written before the text that waits with them: nobody reads both. Nothing is
 * held for longer than JOIN_MS. What comes after a silence goes out at once, so that nobody waits for the
 * first token.
 */
export class PieceJoiner {
  readonly #write: (piece: SaidPiece) => void;
  /** What waits. Two neighbours are never of the same kind. */
  #waiting: { readonly kind: 'text' | 'thinking'; text: string }[] = [];
  #events: string[] = [];
  /** Runs for JOIN_MS after each line. */
  #timer: NodeJS.Timeout | null = null;

  /** `write` is called with each line, and must not throw. */
  constructor(write: (piece: SaidPiece) => void) {
    this.#write = write;
  }

  push(kind: 'text' | 'thinking', text: string): void {
    if (text === '') return;
    const last = this.#waiting.at(-1);
    if (last?.kind === kind) last.text += text;
    else this.#waiting.push({ kind, text });
    if (this.#timer === null) this.#writeOut();
  }

  /** Takes an event. The text in it is pushed beside it. */
  pushEvent(event: string): void {
    this.#events.push(event);
    if (this.#timer === null) this.#writeOut();
  }

  /** Writes what waits now. Has to be called at the end. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const event of this.#events.splice(0)) this.#write({ event });
    for (const { kind, text } of this.#waiting.splice(0)) {
      this.#write(kind === 'text' ? { text } : { thinking: text });
    }
  }

  /** Forgets what waits, because it is void. */
  drop(): void {
    this.#waiting = [];
    this.#events = [];
    this.flush();
  }

  #writeOut(): void {
    this.flush();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting.length + this.#events.length > 0) this.#writeOut();
    }, JOIN_MS);
    // What is left is flushed at the end; until then it keeps no process running.
    this.#timer.unref();
  }
}

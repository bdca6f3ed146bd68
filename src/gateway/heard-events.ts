/** What was heard of a stream: a raw event, or that a second generation begins. */
export type Heard = { readonly event: string } | { readonly restart: true };

/** How far a reader has read. */
export interface HeardCursor {
  /** The next to read, counted from the very first. */
  at: number;
  /** It has missed the beginning, which is not kept: it hears only the next generation, or the answer. */
  isLate: boolean;
}

/** Of a longer stream, what all have read is not kept for clients that come back. Characters. */
const MAX_REPLAY_CHARS = 256 * 1024;

/**
 * What was heard of the stream of a task, for readers of which each has its own pace. A short stream is kept
 * whole, of a longer one only what somebody has still to read.
 */
export class HeardEvents {
  readonly #cursors = new Set<HeardCursor>();
  /** What is kept; `#dropped` of them came before the first. */
  #kept: Heard[] = [];
  #dropped = 0;
  /** The first of the last generation, counted from the very first; what came before it is void. */
  #begunAt = 0;
  #chars = 0;

  /** Opens a reader at the beginning of the last generation, or at the first of it that is still kept. */
  open(): HeardCursor {
    const at = Math.max(this.#dropped, this.#begunAt);
    const cursor: HeardCursor = { at, isLate: at > this.#begunAt };
    this.#cursors.add(cursor);
    return cursor;
  }

  close(cursor: HeardCursor): void {
    this.#cursors.delete(cursor);
  }

  hear(what: Heard): void {
    this.#kept.push(what);
    this.#chars += lengthOf(what);
    if ('restart' in what) this.#begunAt = this.#dropped + this.#kept.length;
    // Nobody reads it, and a client that comes back is told the answer.
    if (this.#cursors.size === 0 && this.#chars > MAX_REPLAY_CHARS) {
      this.#dropped += this.#kept.length;
      this.#kept = [];
      this.#chars = 0;
    }
  }

  /** The next for a reader; null where there is none yet. */
  next(cursor: HeardCursor): Heard | null {
    for (;;) {
      if (cursor.at < this.#dropped) {
        cursor.at = this.#dropped;
        cursor.isLate = true;
      }
      const next = this.#kept[cursor.at - this.#dropped];
      if (next === undefined) return null;
      cursor.at += 1;
      this.#dropRead();
      if (!cursor.isLate) return next;
      if ('restart' in next) cursor.isLate = false;
    }
  }

  /** Drops what all have read, where it is much. */
  #dropRead(): void {
    if (this.#chars <= MAX_REPLAY_CHARS) return;
    const first = Math.min(...[...this.#cursors].map(({ at }) => at));
    if (!Number.isFinite(first)) return;
    for (const one of this.#kept.splice(0, first - this.#dropped)) this.#chars -= lengthOf(one);
    this.#dropped = first;
  }
}

function lengthOf(what: Heard): number {
  return 'event' in what ? what.event.length : 0;
}

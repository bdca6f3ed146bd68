/**
 * A session is opened this long after it was asked for: what has just begun would want the same processor.
 * Milliseconds.
 */
const OPEN_AFTER_MS = 200;

/** It is closed where nobody took it for this time; the server ends it after a minute. Milliseconds. */
const HOLD_MS = 50_000;

/** A session that is opened before it is needed. */
export interface AheadSession {
  /** Whether it can still be expected to serve. */
  isOpen(): boolean;
  /** Ends it. Never throws. */
  close(): Promise<void>;
}

/** Holds one session open for the next time it is needed, for a while. Nothing depends on it. */
export class HeldSession<Session extends AheadSession> {
  readonly #open: () => Session | null;
  #session: Session | null = null;
  readonly #closing = new Set<Promise<void>>();
  #opening: NodeJS.Timeout | undefined;
  #ending: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `open`: null where there can be none. */
  constructor(open: () => Session | null) {
    this.#open = open;
  }

  /** One will be needed soon. */
  expect(): void {
    clearTimeout(this.#opening);
    if (this.#isOver) return;
    this.#opening = setTimeout(() => {
      if (this.#session?.isOpen() === true) return;
      this.#drop();
      this.#session = this.#open();
      this.#ending = setTimeout(() => this.#drop(), HOLD_MS).unref();
    }, OPEN_AFTER_MS).unref();
  }

  /** The one that is held, for the caller alone, who gives it to `end` then; null where there is none. */
  take(): Session | null {
    clearTimeout(this.#opening);
    if (this.#session?.isOpen() !== true) {
      this.#drop();
      return null;
    }
    clearTimeout(this.#ending);
    const taken = this.#session;
    this.#session = null;
    return taken;
  }

  /** Ends one that was taken; `close` waits for that. */
  end(session: Session): void {
    const closed = session.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  /** Ends what is open, for good. */
  async close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#opening);
    this.#drop();
    await Promise.all(this.#closing);
  }

  #drop(): void {
    clearTimeout(this.#ending);
    if (this.#session !== null) this.end(this.#session);
    this.#session = null;
  }
}

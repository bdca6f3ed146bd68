import pc from 'picocolors';

/** An answer stands still when no piece has come for this long. Milliseconds. */
const STALL_MS = 3_000;

/** How long each frame is shown, as in the spinner before an answer. Milliseconds. */
const FRAME_MS = 120;

/** One cell each in every terminal. */
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** Moves the cursor a cell to the left, and clears the rest of the row. */
const TAKE_BACK = '\b\u001b[K';

/**
 * A turning sign behind an answer that stands still, so that nobody takes it for a whole one or a broken
 * one. It is one cell wide and is taken back by a step to the left, so nothing else is overwritten.
 */
export class StallMark {
  readonly #write: (text: string) => void;
  readonly #fits: () => boolean;
  #waiting: NodeJS.Timeout | null = null;
  #turning: NodeJS.Timeout | null = null;
  #isShown = false;

  /**
   * `fits`: whether it is certain that one more cell and the cursor behind it stand in the row in which the
   * cursor is.
   */
  constructor(write: (text: string) => void, fits: () => boolean) {
    this.#write = write;
    this.#fits = fits;
  }

  /** A piece was written, and the next one is waited for. */
  wait(): void {
    this.clear();
    this.#waiting = setTimeout(() => this.#show(), STALL_MS);
    this.#waiting.unref();
  }

  /** Takes the sign back. Call it before anything is written. */
  clear(): void {
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    if (this.#turning !== null) clearInterval(this.#turning);
    this.#waiting = null;
    this.#turning = null;
    if (this.#isShown) this.#write(TAKE_BACK);
    this.#isShown = false;
  }

  #show(): void {
    if (!this.#fits()) return;
    let turn = 0;
    const draw = () => {
      this.#write(`${this.#isShown ? '\b' : ''}${pc.dim(FRAMES[turn % FRAMES.length] ?? '')}`);
      this.#isShown = true;
      turn += 1;
    };
    draw();
    this.#turning = setInterval(draw, FRAME_MS);
    this.#turning.unref();
  }
}

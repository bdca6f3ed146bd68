import pc from 'picocolors';
import type { AnswerPiece } from '../asker/answer-pieces.js';
import { stripControls } from '../protocol/printable.js';
import { StallMark } from './stall-mark.js';
import { brokenRows, certainColumn, certainRows } from './terminal-rows.js';

/** The terminal, as the output of a command has it. */
export interface LiveTerminal {
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  onResize(changed: () => void): void;
  draw(text: string, remedy?: string): Promise<void>;
}

/** The spinner, which gives way while something of the answer stands on the terminal. */
export interface GivesWay {
  giveWay(): void;
  comeBack(): void;
}

/** The most rows of thinking that are shown: enough to see that it goes on, and never a screen. */
const THINKING_ROWS = 5;

/** On a narrower terminal no thinking is shown: a character and its joiners may be wider than a row. */
const MIN_THINKING_COLUMNS = 20;

/** So much of the thinking is kept: it fills the rows of the widest terminal. Characters. */
const THINKING_CHARS = 4_000;

/** In front of each row of thinking: where there are no colours, it must not look like the answer. */
const THINKING_MARK = '| ';

const CLEAR_BELOW = '\u001b[J';

/**
 * An answer on a terminal while it is written. What stands there in the end is the answer, to the byte:
 * - thinking stands in a few dimmed rows, and is taken back before the text begins;
 * - text is printed as it comes, without its control characters;
 * - where the answer starts again, what was printed is taken back: the cursor goes up as many rows as were
 *   printed, and all below is cleared. Where it is not certain how many those are, or where they have left
 *   the screen, which no cursor can follow, a line says so and the answer starts below it. To move the
 *   cursor by a guess would eat what stood there before;
 * - where no piece comes for a while, a sign turns behind the text until the next one does.
 */
export class LiveAnswer {
  readonly #out: LiveTerminal;
  readonly #spinner: GivesWay;
  readonly #remedy: () => string;
  readonly #canMove: boolean;
  readonly #stall: StallMark;
  #text = '';
  #thought = '';
  /** The part of the thinking that stands on the screen. */
  #window = '';
  /** Every width that the terminal has had while this stands there. */
  #widths = new Set<number>();
  #written: Promise<void> = Promise.resolve();

  /**
   * `remedy`: what to do where the answer cannot be written. `canMove`: the terminal can move its cursor and
   * clear what is below it.
   */
  constructor(
    out: LiveTerminal,
    spinner: GivesWay,
    { remedy, canMove }: { readonly remedy: () => string; readonly canMove: boolean },
  ) {
    this.#out = out;
    this.#spinner = spinner;
    this.#remedy = remedy;
    this.#canMove = canMove;
    this.#stall = new StallMark(
      (text) => this.#write(text),
      () => this.#hasRoom(),
    );
    out.onResize(() => {
      // The sign was the last cell and still is. Only the terminal knows how its rows lie now, so the sign
      // does not come back.
      this.#stall.clear();
      this.#widths.add(this.#width());
    });
  }

  /** Whether something stands there. */
  get isShown(): boolean {
    return this.#text !== '' || this.#window !== '';
  }

  /** Shows the next piece. Does not throw: what cannot be written aborts `failed` of the output. */
  take(piece: AnswerPiece): void {
    this.#stall.clear();
    if ('text' in piece) this.#say(piece.text);
    else if ('thinking' in piece) this.#think(piece.thinking);
    else this.#takeBack();
    if (this.isShown) this.#stall.wait();
  }

  /** The whole answer stands there: ends its line. Rejects as the output does where it was not written. */
  async finish(): Promise<void> {
    this.#stall.clear();
    this.#clearThinking();
    if (!this.#text.endsWith('\n')) this.#write('\n');
    await this.#written;
  }

  /** Nothing follows, and what stands there stays: what is printed next begins a line of its own. */
  async leave(): Promise<void> {
    this.#stall.clear();
    this.#clearThinking();
    if (this.#text !== '' && !this.#text.endsWith('\n')) this.#write('\n');
    await this.#written;
  }

  #say(text: string): void {
    this.#clearThinking();
    this.#begin();
    const harmless = stripControls(text);
    this.#text += harmless;
    this.#write(harmless);
  }

  #think(text: string): void {
    const width = this.#width();
    if (!this.#canMove || this.#text !== '' || width < MIN_THINKING_COLUMNS) return;
    this.#begin();
    this.#thought = `${this.#thought}${stripControls(text)}`.slice(-THINKING_CHARS);
    // Two cells stay free: nobody knows where a full row leaves the cursor, and one is for the stall mark.
    const room = Math.max(1, width - THINKING_MARK.length - 2);
    const rows = brokenRows(this.#thought.trimStart(), room).slice(
      -Math.max(1, Math.min(THINKING_ROWS, this.#height() - 2)),
    );
    const cleared = this.#clearing(this.#window) ?? '\n';
    this.#window = rows.map((row) => `${THINKING_MARK}${row}`).join('\n');
    this.#widths = new Set([width]);
    this.#write(`${cleared}${pc.dim(this.#window)}`);
  }

  #takeBack(): void {
    this.#clearThinking();
    this.#thought = '';
    if (this.#text !== '') {
      const mark = `${this.#text.endsWith('\n') ? '' : '\n'}${pc.dim('(it starts again)')}\n`;
      this.#write(this.#clearing(this.#text) ?? mark);
    }
    this.#text = '';
    this.#widths.clear();
    this.#spinner.comeBack();
  }

  #clearThinking(): void {
    if (this.#window === '') return;
    this.#write(this.#clearing(this.#window) ?? '\n');
    this.#window = '';
    this.#widths = new Set([this.#width()]);
  }

  /** What to write so that the next character stands where the first of `shown` does; null: nothing can. */
  #clearing(shown: string): string | null {
    if (shown === '') return '';
    const size = { widths: [...this.#widths, this.#width()], rows: this.#height() };
    const rows = this.#canMove ? certainRows(shown, size) : null;
    if (rows === null) return null;
    const up = rows > 1 ? `\u001b[${rows - 1}A` : '';
    return `\r${up}${CLEAR_BELOW}`;
  }

  /** Whether two more cells are certainly free in the row of the cursor. */
  #hasRoom(): boolean {
    if (!this.#canMove || this.#widths.size !== 1) return false;
    const width = this.#width();
    // One of them is empty.
    const shown = this.#text + this.#window;
    const column = certainColumn(shown.slice(shown.lastIndexOf('\n') + 1), width);
    return column !== null && column + 1 < width;
  }

  #begin(): void {
    this.#spinner.giveWay();
    this.#widths.add(this.#width());
  }

  #width(): number {
    return this.#out.columns || 80;
  }

  #height(): number {
    return this.#out.rows || 24;
  }

  #write(text: string): void {
    const written = this.#out.draw(text, this.#remedy());
    // The output keeps the failure: `finish` and `leave` reject with it.
    written.catch(() => {});
    this.#written = written;
  }
}

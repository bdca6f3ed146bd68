/** One row of a screen: what each cell shows; a wide character is followed by an empty cell. */
interface Row {
  cells: (string | undefined)[];
  /** The line goes on in the next row: the terminal broke it, not the text. */
  isBroken: boolean;
}

/** How a screen differs from others. */
export interface ScreenOptions {
  readonly columns?: number;
  readonly rows?: number;
  /** How many cells it gives to marks, joiners and the like, in which terminals differ. Default: none. */
  readonly markCells?: number;
}

/**
 * The screen of a terminal, for what this program writes: text with line breaks, colours, and the movements
 * of the cursor in `control` below. Throws for any other. What scrolls off the top is kept, as in a real
 * one.
 */
export class Screen {
  readonly columns: number;
  readonly rows: number;
  readonly #markCells: number;
  readonly #gone: Row[] = [];
  #screen: Row[] = [{ cells: [], isBroken: false }];
  #row = 0;
  #column = 0;

  constructor({ columns = 80, rows = 24, markCells = 0 }: ScreenOptions = {}) {
    this.columns = columns;
    this.rows = rows;
    this.#markCells = markCells;
  }

  /** Takes whole sequences only. */
  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a sequence
    for (const part of text.matchAll(/\u001b\[([?\d;]*)([A-Za-z])|\u001b|[\s\S]/gu)) {
      const [whole, parameters = '', command] = part;
      if (command !== undefined) this.#control(parameters, command);
      else if (whole === '\n') this.#lineFeed();
      else if (whole === '\r') this.#column = 0;
      else if (whole === '\b') this.#column = Math.max(0, this.#column - 1);
      else if (whole === '\t')
        this.#column = Math.min(this.columns - 1, (Math.floor(this.#column / 8) + 1) * 8);
      else if (whole < ' ' || whole === '\u007f')
        throw new Error(`a control character: ${JSON.stringify(whole)}`);
      else this.#put(whole);
    }
  }

  /** All that stands there, lines that the terminal broke joined again. */
  text(): string {
    let text = '';
    for (const { cells, isBroken } of [...this.#gone, ...this.#screen]) {
      text += Array.from(cells, (cell) => cell ?? ' ').join('');
      if (!isBroken) text += '\n';
    }
    return text.replace(/\n+$/, '\n');
  }

  #control(parameters: string, command: string): void {
    const count = Number(parameters.split(';')[0] || '1');
    if (command === 'm' || parameters.startsWith('?')) return;
    if (command === 'A') this.#row = Math.max(0, this.#row - count);
    else if (command === 'G') this.#column = count - 1;
    else if (command === 'K') this.#clearRow(parameters === '2' ? 0 : this.#column);
    else if (command === 'J' && count !== 2) {
      this.#clearRow(this.#column);
      this.#screen.length = this.#row + 1;
    } else throw new Error(`a sequence that this screen does not know: ${parameters}${command}`);
  }

  #clearRow(from: number): void {
    const row = this.#screen[this.#row];
    if (row === undefined) return;
    row.cells.length = Math.min(row.cells.length, from);
    row.isBroken = false;
  }

  #put(character: string): void {
    const cells = this.#cellsOf(character);
    if (this.#column + cells > this.columns) {
      const row = this.#screen[this.#row];
      if (row !== undefined) row.isBroken = true;
      this.#lineFeed();
    }
    const row = this.#screen[this.#row];
    if (row === undefined) throw new Error('the cursor is nowhere');
    while (row.cells.length < this.#column) row.cells.push(undefined);
    if (cells === 0) row.cells[Math.max(0, this.#column - 1)] += character;
    else {
      row.cells[this.#column] = character;
      for (let more = 1; more < cells; more++) row.cells[this.#column + more] = '';
    }
    this.#column += cells;
  }

  #lineFeed(): void {
    this.#column = 0;
    this.#row += 1;
    if (this.#screen[this.#row] === undefined) this.#screen[this.#row] = { cells: [], isBroken: false };
    if (this.#row < this.rows) return;
    const top = this.#screen.shift();
    if (top !== undefined) this.#gone.push(top);
    this.#row -= 1;
  }

  #cellsOf(character: string): number {
    if (/\p{M}|\p{Cf}|\p{Emoji_Modifier}/u.test(character)) return this.#markCells;
    return /\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Emoji_Presentation}/u.test(
      character,
    )
      ? 2
      : 1;
  }
}

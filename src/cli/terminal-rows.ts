/** The size of a terminal: each width that it has had since the text was begun, and its height. */
export interface TerminalSize {
  readonly widths: readonly number[];
  readonly rows: number;
}

/**
 * How many rows `text` takes from the first column on, or null where that is not certain: it is higher than
 * the screen, or terminals differ in how wide some of it is, or in where the cursor is behind it. Certain is
 * only what comes out the same at every width that the terminal had, and with every character as narrow and
 * as wide as terminals show it: some terminals lay a text out again when their width changes, others do
 * not.
 */
export function certainRows(text: string, { widths, rows }: TerminalSize): number | null {
  // No more fits, even of the narrowest characters; those without a width are not certain anyway.
  if (text.length > rows * Math.max(...widths) * 2) return null;
  let certain: number | null = null;
  for (const width of widths) {
    for (const side of ['narrow', 'wide'] as const) {
      const count = endOf(text, width, side)?.row ?? null;
      if (count === null || count > rows || (certain !== null && count !== certain)) return null;
      certain = count;
    }
  }
  return certain;
}

/**
 * In which column the cursor is behind `line`, which has no line break and begins in the first one; null
 * where that is not certain.
 */
export function certainColumn(line: string, width: number): number | null {
  const narrow = endOf(line, width, 'narrow');
  const wide = endOf(line, width, 'wide');
  return narrow !== null && narrow.row === wide?.row && narrow.column === wide.column ? narrow.column : null;
}

interface End {
  readonly row: number;
  readonly column: number;
}

/** Null where a row is exactly full: the cursor then waits in it, or is in the next one already. */
function endOf(text: string, width: number, side: 'narrow' | 'wide'): End | null {
  let row = 1;
  let column = 0;
  for (const character of text) {
    if (character === '\n') {
      if (column === width) return null;
      row += 1;
      column = 0;
    } else if (character === '\t') {
      column = (Math.floor(column / TAB) + 1) * TAB;
      if (column >= width) return null;
    } else {
      const cells = widthOf(character)[side];
      if (cells > width) return null;
      if (column + cells > width) {
        row += 1;
        column = 0;
      }
      column += cells;
    }
  }
  return column === width ? null : { row, column };
}

const TAB = 8;

/**
 * The rows of a text, broken so that none is wider than `width` on any terminal, but for a first character
 * that is wider itself.
 */
export function brokenRows(text: string, width: number): string[] {
  const rows: string[] = [];
  let row = '';
  let column = 0;
  for (const character of text) {
    const cells = character === '\t' ? 1 : widthOf(character).wide;
    if (character === '\n' || (column + cells > width && row !== '')) {
      rows.push(row);
      row = '';
      column = 0;
    }
    if (character === '\n') continue;
    row += character === '\t' ? ' ' : character;
    column += cells;
  }
  return [...rows, row];
}

interface Cells {
  readonly narrow: number;
  readonly wide: number;
}

/** The blocks that are two cells wide in every terminal: Hangul, Han, kana, and full-width forms. */
const TWO_CELLS =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u;
/** Marks, joiners and variation selectors: nothing in one terminal, a cell or two in another. */
const UNSETTLED = /\p{M}|\p{Cf}|\p{Emoji_Modifier}|\p{Regional_Indicator}/u;
const EMOJI = /\p{Emoji_Presentation}/u;
/** An emoji in one font and a sign in the other; or nothing that is known here. */
const EITHER = /\p{Extended_Pictographic}|\p{Co}|\p{Cn}/u;

function widthOf(character: string): Cells {
  if (character >= ' ' && character <= '~') return ONE;
  if (UNSETTLED.test(character)) return { narrow: 0, wide: 2 };
  if (TWO_CELLS.test(character) || EMOJI.test(character)) return TWO;
  return EITHER.test(character) ? { narrow: 1, wide: 2 } : ONE;
}

const ONE: Cells = { narrow: 1, wide: 1 };
const TWO: Cells = { narrow: 2, wide: 2 };

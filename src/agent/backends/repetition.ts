/** A repetition without end is a unit of this many characters … */
const REPEATED_CHARS = 200;

/** … this many times in a row. */
const REPEATED_TIMES = 5;

/** The longest unit that is looked for, in characters: a page. */
const MAX_UNIT_CHARS = 4000;

/**
 * The two windows: how much of the end of the text is looked at, the longest unit, and how often.
 * Characters.
 */
const SHORT = { chars: REPEATED_CHARS * REPEATED_TIMES, unit: REPEATED_CHARS, every: 50 };
const LONG = { chars: MAX_UNIT_CHARS * REPEATED_TIMES, unit: MAX_UNIT_CHARS, every: 1000 };

/**
 * Finds the repetition without end into which small models fall: a text that ends in the same REPEATED_CHARS
 * characters, REPEATED_TIMES times in a row. A shorter unit counts where it fills as much (a thousand line
 * breaks); a longer one, up to MAX_UNIT_CHARS, where it comes as often. A repetition that ends before that
 * is no fault: a long table, an array of zeros.
 *
 * Its state is bounded, and it takes some forty steps for a character, whatever the text is and however it
 * is cut: each window is looked at once in `every` characters, and a look takes time in proportion to its
 * window.
 */
export class RepetitionDetector {
  /**
   * The end of the text, in code units; twice as long as is looked at, so that it seldom has to be moved.
   */
  readonly #end = new Uint16Array(2 * LONG.chars);
  #length = 0;
  #total = 0;

  /** Takes the next piece. True once the text repeats itself; its results after that mean nothing. */
  push(piece: string): boolean {
    for (let at = 0; at < piece.length; at++) {
      if (this.#length === this.#end.length) {
        this.#end.copyWithin(0, LONG.chars);
        this.#length = LONG.chars;
      }
      this.#end[this.#length++] = piece.charCodeAt(at);
      this.#total += 1;
      if (this.#total % SHORT.every === 0 && this.#repeats(SHORT)) return true;
      if (this.#total % LONG.every === 0 && this.#repeats(LONG)) return true;
    }
    return false;
  }

  #repeats(window: typeof SHORT): boolean {
    const from = Math.max(0, this.#length - window.chars);
    return repeatsAtEnd(this.#end.subarray(from, this.#length), window.unit);
  }
}

/**
 * True where the end of a text is a unit of at most `maxUnit` characters, REPEATED_TIMES times or more, and
 * at least SHORT.chars long. It takes linear time: `runs` is the Z function of the text, read from its end.
 */
function repeatsAtEnd(text: Uint16Array, maxUnit: number): boolean {
  const { length } = text;
  if (length < SHORT.chars) return false;
  const last = length - 1;
  const runs = new Uint16Array(maxUnit + 1);
  // The stretch that was found to repeat the end and reaches farthest: it begins and ends at these places.
  let start = 0;
  let end = 0;
  for (let unit = 1; unit <= maxUnit && unit < length; unit++) {
    let run = unit < end ? Math.min(end - unit, runs[unit - start] ?? 0) : 0;
    while (unit + run < length && text[last - run] === text[last - unit - run]) run += 1;
    runs[unit] = run;
    if (unit + run > end) {
      start = unit;
      end = unit + run;
    }
    if (unit + run >= REPEATED_TIMES * Math.max(unit, REPEATED_CHARS)) return true;
  }
  return false;
}

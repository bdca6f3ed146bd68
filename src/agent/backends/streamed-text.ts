import { isJson } from './finish-generation.js';
import { RepetitionDetector } from './repetition.js';
import { splitThinking } from './split-thinking.js';

/** This much white space after a complete JSON is more than the line break that ends it. Characters. */
const MAX_TRAILING_SPACE = 64;

/** What a stream has brought so far, and whether to read on. */
export class StreamedText {
  /** The text of the answer, with what thinking the server did not tell apart. */
  content = '';
  /** The thinking that the server told apart. */
  thinking = '';
  readonly #isJson: boolean;
  readonly #inContent = new RepetitionDetector();
  readonly #inThinking = new RepetitionDetector();
  #trailingSpace = 0;
  /** How long the text was when it was no complete JSON yet; it is parsed again at twice that length. */
  #incompleteAt = 0;

  /** `isJson`: whether the answer is to be JSON, so that nothing but white space can follow its end. */
  constructor(isJson: boolean) {
    this.#isJson = isJson;
  }

  /**
   * Takes the next piece of either. True where the model will not end by itself: it repeats itself
   * (`RepetitionDetector`), also in its thinking, or it adds white space to a JSON that is complete.
   */
  take(piece: { readonly content: string; readonly thinking: string }): boolean {
    this.content += piece.content;
    this.thinking += piece.thinking;
    // Both detectors have to get their piece.
    const isRepeated = this.#inContent.push(piece.content);
    return this.#inThinking.push(piece.thinking) || isRepeated || this.#isOver(piece.content);
  }

  #isOver(piece: string): boolean {
    if (!this.#isJson) return false;
    const space = piece.length - piece.trimEnd().length;
    this.#trailingSpace = space === piece.length ? this.#trailingSpace + space : space;
    // The length doubles between two looks, so all of them together take about twice as long as the last.
    if (this.#trailingSpace < MAX_TRAILING_SPACE || this.content.length < 2 * this.#incompleteAt)
      return false;
    if (isJson(splitThinking(this.content).answer)) return true;
    this.#incompleteAt = this.content.length;
    return false;
  }
}

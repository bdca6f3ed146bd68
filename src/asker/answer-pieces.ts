import type { StreamPiece } from '../protocol/stream.js';

/**
 * The next piece of an answer that is being written: its text, or what the model thinks. `restart`: it
 * starts again, and what came before is void.
 */
export type AnswerPiece =
  | { readonly text: string }
  | { readonly thinking: string }
  | { readonly restart: true };

/**
 * Hands on what a stream says, so that in the end the text since the last restart is the answer, to the
 * byte, whatever was lost, cut off or generated twice on the way.
 */
export class AnswerPieces {
  readonly #hand: (piece: AnswerPiece) => void;
  #text = '';
  #isThinking = false;
  #isOver = false;

  /** `hand` is called with each piece and must not throw. */
  constructor(hand: (piece: AnswerPiece) => void) {
    this.#hand = hand;
  }

  /** The next piece of the stream. */
  take(piece: StreamPiece): void {
    if (this.#isOver) return;
    if ('begin' in piece) this.#startOver();
    if ('text' in piece) this.#say(piece.text);
    if ('thinking' in piece && piece.thinking !== '') {
      this.#isThinking = true;
      this.#hand({ thinking: piece.thinking });
    }
  }

  /**
   * Call it when the answer is there; null for an error, which has no text. Later pieces of the stream are
   * ignored.
   */
  finish(answer: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const whole = answer ?? '';
    if (answer === null || !whole.startsWith(this.#text)) this.#startOver();
    this.#say(whole.slice(this.#text.length));
  }

  #say(text: string): void {
    if (text === '') return;
    this.#text += text;
    this.#hand({ text });
  }

  #startOver(): void {
    if (this.#text === '' && !this.#isThinking) return;
    this.#text = '';
    this.#isThinking = false;
    this.#hand({ restart: true });
  }
}

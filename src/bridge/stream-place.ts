import type { StreamPiece } from '../protocol/stream.js';

/**
 * The place of a reader in a stream. A session begins at the beginning, also where it continues another one,
 * so the pieces that were read are skipped.
 */
export class PlaceInStream {
  #begin: string | null = null;
  #read = 0;
  #isFirst = true;
  #toSkip = 0;

  /** The next piece is the first of the file. */
  readAgain(): void {
    this.#isFirst = true;
    this.#toSkip = 0;
  }

  /** Whether the caller has not had this piece yet. */
  isNew(piece: StreamPiece): boolean {
    const begin = 'begin' in piece ? JSON.stringify(piece.begin) : null;
    if (this.#isFirst && begin !== null && begin === this.#begin) this.#toSkip = this.#read;
    else if (begin !== null && this.#toSkip === 0) {
      this.#begin = begin;
      this.#read = 0;
    }
    this.#isFirst = false;
    if (this.#toSkip > 0) {
      this.#toSkip -= 1;
      return false;
    }
    this.#read += 1;
    return true;
  }
}

import type { StreamWriter } from '../../bridge/stream-writer.js';
import type { StreamPiece } from '../../protocol/stream.js';

/** A stream that has said more than this before there was room for it is given up. Characters. */
const MAX_WAITING_CHARS = 1024 * 1024;

/** Keeps what is said until there is a writer, within a bound. */
export class WaitingWriter {
  #writer: StreamWriter | null = null;
  /** Null once too much waited. */
  #waiting: StreamPiece[] | null = [];
  #chars = 0;

  write(piece: StreamPiece): void {
    if (this.#writer !== null) {
      this.#writer.write(piece);
      return;
    }
    if (this.#waiting === null) return;
    // What came before a new beginning is void.
    if ('begin' in piece) {
      this.#waiting = [];
      this.#chars = 0;
    }
    if ('text' in piece) this.#chars += piece.text.length;
    if ('thinking' in piece) this.#chars += piece.thinking.length;
    if ('event' in piece) this.#chars += piece.event.length;
    if (this.#chars > MAX_WAITING_CHARS) this.#waiting = null;
    else this.#waiting.push(piece);
  }

  opened(writer: StreamWriter): void {
    if (this.#waiting === null) return;
    this.#writer = writer;
    for (const piece of this.#waiting.splice(0)) writer.write(piece);
  }
}

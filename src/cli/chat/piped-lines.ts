import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { LineSource } from './line-source.js';

/** Lines of a file or a pipe, one after the other. */
export class PipedLines implements LineSource {
  readonly #lines: AsyncIterator<string>;
  readonly #input: Readable;
  #interrupt: (() => void) | null = null;
  #isFirst = true;
  #isOver = false;

  constructor(input: Readable) {
    this.#input = input;
    this.#lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  }

  async next(): Promise<string | null> {
    if (this.#isOver) return null;
    const { done, value } = await this.#lines.next();
    if (done || this.#isOver) return null;
    // Programs of Windows put a byte order mark in front.
    const line = this.#isFirst ? value.replace(/^\ufeff/, '') : value;
    this.#isFirst = false;
    return line;
  }

  onInterrupt(act: (() => void) | null): void {
    this.#interrupt = act;
  }

  /** Reads nothing more: a program that sends a signal wants the chat to end. */
  interrupt(): void {
    this.close();
  }

  close(): void {
    this.#isOver = true;
    this.#interrupt?.();
    this.#input.destroy();
  }
}

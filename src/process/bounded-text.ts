/**
 * How much is kept of either end, in bytes: the first words of git and ssh tell the cause, their last ones
 * how it ended.
 */
const MAX_END_BYTES = 64 * 1024;

/**
 * What a program says on standard error: all of it, or its two ends where the other side makes it say more
 * than anybody reads.
 */
export class BoundedText {
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;

  add(chunk: Buffer): void {
    const toHead = chunk.subarray(0, MAX_END_BYTES - this.#headBytes);
    if (toHead.length > 0) this.#head.push(toHead);
    this.#headBytes += toHead.length;
    const rest = chunk.subarray(toHead.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    // Not at every chunk: a flood of small ones would be copied again with each.
    if (this.#tailBytes <= 2 * MAX_END_BYTES) return;
    this.#tail = [Buffer.concat(this.#tail).subarray(-MAX_END_BYTES)];
    this.#tailBytes = MAX_END_BYTES;
  }

  toString(): string {
    return Buffer.concat([...this.#head, ...this.#tail]).toString('utf8');
  }
}

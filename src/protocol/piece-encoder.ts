import { type StreamPiece, writeStreamLines } from './stream.js';

/**
 * The lines of a stream, from pieces as a model gives them: a text that ends within a character keeps that
 * half back until its other half comes.
 */
export class PieceEncoder {
  #kind: 'text' | 'thinking' = 'text';
  #half = '';

  /** The lines of the next piece. */
  encode(piece: StreamPiece): Buffer {
    const kind = 'text' in piece ? 'text' : 'thinking' in piece ? 'thinking' : null;
    const before = kind === this.#kind ? Buffer.alloc(0) : this.#flush();
    if (kind === null) return Buffer.concat([before, writeStreamLines(piece)]);
    const text = this.#half + (piece as Record<'text' | 'thinking', string>)[kind];
    this.#kind = kind;
    const isHalf = /[\ud800-\udbff]$/.test(text);
    this.#half = isHalf ? text.slice(-1) : '';
    const whole = isHalf ? text.slice(0, -1) : text;
    return Buffer.concat([before, whole === '' ? Buffer.alloc(0) : writeStreamLines(saying(kind, whole))]);
  }

  #flush(): Buffer {
    const half = this.#half;
    this.#half = '';
    return half === '' ? Buffer.alloc(0) : writeStreamLines(saying(this.#kind, half));
  }
}

function saying(kind: 'text' | 'thinking', text: string): StreamPiece {
  return kind === 'text' ? { text } : { thinking: text };
}

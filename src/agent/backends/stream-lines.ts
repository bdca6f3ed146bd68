import { TooManyBytes } from './http-exchange.js';

/** A line of a stream ends here. */
export const NEWLINE = 0x0a;

/**
 * The lines of a body, each with its newline. The last one may lack it, where the body ends without. Throws
 * TooManyBytes at one that has more than `maxBytes`. Each byte is looked at once, however small the pieces
 * are in which they come.
 */
export async function* streamLines(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  const take = (piece: Uint8Array) => {
    pieces.push(piece);
    size += piece.length;
    if (size > maxBytes) throw new TooManyBytes(maxBytes, ' in one line');
  };
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end + 1));
      yield Buffer.concat(pieces);
      pieces = [];
      size = 0;
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (size > 0) yield Buffer.concat(pieces);
}

/** The same response with another body, made of `chunks`. */
export function withBody(response: Response, chunks: AsyncIterable<Uint8Array>): Response {
  return new Response(ReadableStream.from(chunks), { status: response.status, headers: response.headers });
}

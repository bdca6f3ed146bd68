import { requestSchema } from '../protocol/request.js';
import { readStrictJson } from '../protocol/strict-json.js';
import { ApiError } from './api-errors.js';

/** A parsed body of a call: a JSON object. */
export type CallBody = Record<string, unknown>;

/**
 * Reads the body of a call, at most `maxBytes` of it. `hold` is told of each piece and may throw. Throws
 * ApiError: 413 for a longer one, 400 for what is no JSON object, or is one that two readers could read in
 * two ways (a key twice, `__proto__`, half a character, a number that becomes infinite).
 */
export async function readCallBody(
  request: Request,
  maxBytes: number,
  hold: (bytes: number) => void = () => {},
): Promise<CallBody> {
  const bytes = await readBytes(request, maxBytes, hold);
  if (bytes.length === 0) throw new ApiError('the call has no body: send a JSON object', { status: 400 });
  const read = readStrictJson(bytes, requestSchema.shape.body);
  if (read.ok) return read.value;
  // The schema says `messages.0.content: …` where it knows the field.
  const param = /^[a-z_]\w{0,63}(?:\.\w{1,64}){0,16}(?=: )/i.exec(read.reason)?.[0];
  throw new ApiError(`the body ${param === undefined ? '' : 'has a fault in '}${read.reason}`, {
    status: 400,
    code: 'invalid_json',
    param,
  });
}

async function readBytes(
  request: Request,
  maxBytes: number,
  hold: (bytes: number) => void,
): Promise<Uint8Array> {
  const said = Number(request.headers.get('content-length') ?? 0);
  if (said > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let total = 0;
  try {
    // A throw in the loop ends the reading: what comes after the limit is never held.
    for await (const piece of request.body as unknown as AsyncIterable<Uint8Array>) {
      total += piece.length;
      if (total > maxBytes) throw tooLarge(maxBytes);
      hold(piece.length);
      pieces.push(piece);
    }
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    // The client has left, or what it sent is no HTTP any more.
    throw new ApiError('the body did not come to its end', { status: 400, cause });
  }
  return Buffer.concat(pieces);
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(
    `the body has more than ${maxBytes} bytes: shorten it, or raise bridge.maxTaskBytes on the server`,
    { status: 413, code: 'request_too_large' },
  );
}

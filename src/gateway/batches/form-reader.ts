import { ApiError } from '../api-errors.js';

/** A part of a form: its name, the name of its file where it is one, and its bytes as they come. */
export interface FormPart {
  readonly name: string;
  /** Null for a plain field. */
  readonly filename: string | null;
  /** Read it before the next part is asked for; what is left of it is passed over. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The most bytes of the headers of a part, and the most parts of a form: that of a file has up to five. */
const MAX_PART_HEADER_BYTES = 8 * 1024;
const MAX_PARTS = 16;

const LINE = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');

/**
 * Reads a form (`multipart/form-data`) part by part, while it comes: no part is ever held as a whole. Throws
 * ApiError 400 for what is no such form, or does not come to its end.
 */
export async function* readForm(request: Request): AsyncGenerator<FormPart, void, undefined> {
  const boundary = boundaryOf(request.headers.get('content-type') ?? '');
  if (boundary === null || request.body === null)
    throw badForm('the body must be a form: multipart/form-data with a boundary');
  const reader = new FormBytes(request.body as unknown as AsyncIterable<Uint8Array>, boundary);
  await reader.begin();
  for (let count = 0; await reader.hasPart(); count += 1) {
    if (count === MAX_PARTS) throw badForm(`a form has at most ${MAX_PARTS} parts`);
    const part = partOf(await reader.headers());
    yield { ...part, bytes: reader.part() };
    for await (const _rest of reader.part());
  }
}

/** The bytes of a form, cut at its boundaries, wherever the pieces of the body begin and end. */
class FormBytes {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  #held = LINE;
  /** The part that was begun is read up to its boundary. */
  #isOver = false;

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** Passes over what stands before the first boundary. */
  async begin(): Promise<void> {
    let passed = 0;
    for await (const piece of this.part()) {
      passed += piece.length;
      if (passed > MAX_PART_HEADER_BYTES) throw badForm('the form does not begin with its boundary');
    }
  }

  /** After a boundary: whether another part follows, or the form is over. */
  async hasPart(): Promise<boolean> {
    while (this.#held.length < 2) await this.#more();
    const next = this.#held.subarray(0, 2).toString('latin1');
    if (next === '--') return false;
    if (next !== '\r\n') throw badForm('a boundary of the form is not at the end of its line');
    return true;
  }

  async headers(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf(BLANK_LINE);
      if (end >= 0) {
        const text = this.#held.subarray(0, end).toString('utf8');
        this.#held = this.#held.subarray(end + BLANK_LINE.length);
        this.#isOver = false;
        return text;
      }
      if (this.#held.length > MAX_PART_HEADER_BYTES) throw badForm('a part of the form has too long headers');
      await this.#more();
    }
  }

  /** The bytes up to the next boundary; what is left of them where somebody has read some already. */
  async *part(): AsyncGenerator<Uint8Array, void, undefined> {
    while (!this.#isOver) {
      const at = this.#held.indexOf(this.#delimiter);
      if (at >= 0) {
        const last = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + this.#delimiter.length);
        this.#isOver = true;
        if (last.length > 0) yield last;
        return;
      }
      // The end of what is here may be the beginning of a boundary.
      const safe = this.#held.length - this.#delimiter.length + 1;
      if (safe > 0) {
        const piece = this.#held.subarray(0, safe);
        this.#held = this.#held.subarray(safe);
        yield piece;
      }
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#source.next();
    } catch (cause) {
      throw new ApiError('the body did not come to its end', { status: 400, cause });
    }
    if (next.done) throw badForm('the form has no end');
    this.#held = this.#held.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#held, next.value]);
  }
}

function boundaryOf(type: string): string | null {
  const [kind = '', ...parameters] = type.split(';');
  if (kind.trim().toLowerCase() !== 'multipart/form-data') return null;
  const found = parameters.map((one) => one.trim()).find((one) => /^boundary=/i.test(one));
  const value = found?.slice('boundary='.length).replace(/^"(.*)"$/, '$1') ?? '';
  return /^[\w'()+,./:=? -]{1,70}$/.test(value) ? value : null;
}

function partOf(headers: string): { readonly name: string; readonly filename: string | null } {
  const lines = headers.split('\r\n');
  const line = lines.find((one) => /^content-disposition:/i.test(one)) ?? '';
  const name = /[;\s]name="([^"]*)"/i.exec(line)?.[1];
  if (name === undefined) throw badForm('a part of the form has no name');
  const coding = lines.find((one) => /^content-transfer-encoding:/i.test(one));
  if (coding !== undefined && !/:\s*(?:binary|8bit|7bit)\s*$/i.test(coding))
    throw badForm('a part of the form is encoded: send its bytes as they are');
  const isNested = lines.some((one) => /^content-type:\s*multipart\//i.test(one));
  if (isNested) throw badForm('a part of the form is a form itself: send one file a form');
  return { name, filename: /;\s*filename="([^"]*)"/i.exec(line)?.[1] ?? null };
}

function badForm(message: string): ApiError {
  return new ApiError(message, { status: 400, code: 'invalid_form' });
}

import { MAX_STREAM_LINE_BYTES, type StreamPiece, StreamReader } from '../protocol/stream.js';

/** The line that tail writes where it goes on with another file. */
const HEADER = /^==> .*\/([^/]+) <==$/;

const NEWLINE = 0x0a;

/**
 * Splits the output of a `bridge-listen` with several tasks. A line `==> …/<task> <==` says whose the next
 * bytes are. tail may write it in the middle of a line of a stream, with a line break before it; the rest of
 * that line then comes behind the next header of that task.
 */
export class StreamDemux {
  readonly #streams = new Map<string, { readonly reader: StreamReader; begun: Buffer }>();
  #task: string | null = null;
  #rest = Buffer.alloc(0);

  constructor(tasks: readonly string[]) {
    for (const task of tasks) this.#streams.set(task, { reader: new StreamReader(), begun: Buffer.alloc(0) });
    // For one task alone tail writes no headers.
    if (tasks.length === 1) this.#task = tasks[0] ?? null;
  }

  /** The pieces that end in these bytes, in their order. */
  read(bytes: Uint8Array): { readonly task: string; readonly piece: StreamPiece }[] {
    const pieces: { task: string; piece: StreamPiece }[] = [];
    let rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    for (let to = rest.indexOf(NEWLINE); to >= 0; to = rest.indexOf(NEWLINE)) {
      pieces.push(...this.#takeLine(rest.subarray(0, to)));
      rest = rest.subarray(to + 1);
    }
    // Nothing is kept of a line that is too long: its end is no line either.
    this.#rest = rest.length > 2 * MAX_STREAM_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(rest);
    return pieces;
  }

  #takeLine(line: Buffer): { readonly task: string; readonly piece: StreamPiece }[] {
    const header = line[0] === 0x3d ? HEADER.exec(line.toString('latin1')) : null;
    if (header !== null) {
      this.#task = header[1] ?? null;
      return [];
    }
    const task = this.#task;
    const stream = task === null ? undefined : this.#streams.get(task);
    if (task === null || stream === undefined) return [];
    const { begun } = stream;
    const joined = begun.length === 0 ? line : Buffer.concat([begun, line]);
    stream.begun = Buffer.alloc(0);
    if (isWhole(joined)) return this.#said(task, joined);
    // An earlier file may have broken off within a line; then this line is whole by itself. Else the line is
    // cut: a header comes next, and the rest of the line later.
    if (begun.length > 0 && isWhole(line)) return this.#said(task, line);
    if (joined.length < MAX_STREAM_LINE_BYTES) stream.begun = Buffer.from(joined);
    return [];
  }

  #said(task: string, line: Buffer): { readonly task: string; readonly piece: StreamPiece }[] {
    const pieces = this.#streams.get(task)?.reader.read(Buffer.concat([line, Buffer.from('\n')])) ?? [];
    return pieces.map((piece) => ({ task, piece }));
  }
}

/** Whether this is a line of a stream, and not the beginning of one: no beginning of an object is JSON. */
function isWhole(line: Buffer): boolean {
  if (line.at(-1) !== 0x7d) return false;
  try {
    JSON.parse(line.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

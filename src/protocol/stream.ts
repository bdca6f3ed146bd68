import * as z from 'zod';
import { principalNameSchema } from './names.js';
import { readStrictJson, stringifyEscaped } from './strict-json.js';
import { instantSchema } from './task.js';
import { textSchema, toWellFormed } from './text.js';

/**
 * The most bytes of a line of a stream, its line break included. Writes of this size reach a pipe in one
 * piece, and a reader never has to keep more than one such line.
 */
export const MAX_STREAM_LINE_BYTES = 4096;

/**
 * The most lines that one event may take: together as many bytes as a stream has by default (16 MiB). Longer
 * events are left out of the stream.
 */
export const MAX_EVENT_PARTS = 4096;

const beginSchema = z.strictObject({ agent: principalNameSchema, at: instantSchema });

/** A line of a stream. An event that does not fit into one line has `part` (from 1) and `of` in each. */
const streamLineSchema = z.union([
  z.strictObject({ begin: beginSchema }),
  z.strictObject({ text: textSchema }),
  z.strictObject({ thinking: textSchema }),
  z.strictObject({ event: textSchema }),
  z
    .strictObject({ event: textSchema, part: z.int().min(1), of: z.int().min(2).max(MAX_EVENT_PARTS) })
    .refine(({ part, of }) => part <= of),
  z.strictObject({ end: z.literal(true) }),
]);
type StreamLine = z.infer<typeof streamLineSchema>;

/**
 * What a stream says. `begin`: an agent begins to generate, and whatever came before is void. `text` and
 * `thinking`: the next characters of the answer, and of what the model thinks. `event`: a raw event of an
 * API (an SSE block or an NDJSON line), whole. `end`: the generation is over, and nothing follows.
 */
export type StreamPiece =
  | { readonly begin: z.infer<typeof beginSchema> }
  | { readonly text: string }
  | { readonly thinking: string }
  | { readonly event: string }
  | { readonly end: true };

/**
 * The lines of a piece, each with its line break and at most MAX_STREAM_LINE_BYTES long. A longer text
 * becomes several pieces, cut between code points; a longer event becomes the numbered parts of one. Empty
 * for an event of more than MAX_EVENT_PARTS parts. Half a character becomes U+FFFD: who cuts a text must not
 * cut there. An empty line comes before `begin`, which ends whatever a reader of an earlier file was in.
 */
export function writeStreamLines(piece: StreamPiece): Buffer {
  if ('begin' in piece) return Buffer.from(`\n${lineOf({ begin: beginSchema.parse(piece.begin) })}`);
  if ('text' in piece) return joined(cut(piece.text, '{"text":""}\n').map((text) => ({ text })));
  if ('thinking' in piece)
    return joined(cut(piece.thinking, '{"thinking":""}\n').map((thinking) => ({ thinking })));
  if ('end' in piece) return joined([{ end: true }]);
  const whole = lineOf({ event: toWellFormed(piece.event) });
  if (Buffer.byteLength(whole) <= MAX_STREAM_LINE_BYTES) return Buffer.from(whole);
  const parts = cut(piece.event, `{"event":"","part":${MAX_EVENT_PARTS},"of":${MAX_EVENT_PARTS}}\n`);
  if (parts.length > MAX_EVENT_PARTS) return Buffer.alloc(0);
  return joined(parts.map((event, at) => ({ event, part: at + 1, of: parts.length })));
}

function joined(lines: readonly StreamLine[]): Buffer {
  return Buffer.from(lines.map(lineOf).join(''));
}

function lineOf(line: StreamLine): string {
  return `${stringifyEscaped(line)}\n`;
}

/** The text in pieces that fit into a line beside `frame`, the line of an empty one. */
function cut(given: string, frame: string): string[] {
  const text = toWellFormed(given);
  const room = MAX_STREAM_LINE_BYTES - frame.length;
  const pieces: string[] = [];
  for (let from = 0; from < text.length || pieces.length === 0; from += pieces.at(-1)?.length ?? 0) {
    let size = room;
    while (bytesOf(text.slice(from, from + size)) > room) size = Math.floor(size / 2);
    const isCut = from + size < text.length;
    // The first half of a character has to stay with its other half.
    if (isCut && /[\ud800-\udbff]/.test(text.charAt(from + size - 1))) size -= 1;
    pieces.push(text.slice(from, from + size));
  }
  return pieces;
}

/** What a text takes in a line. */
function bytesOf(text: string): number {
  return Buffer.byteLength(stringifyEscaped(text)) - 2;
}

const NEWLINE = 0x0a;

/**
 * Reads a stream as its bytes come. A line that is broken, too long, or not of the known forms is passed
 * over, and so is an event that lacks a part: lost lines cost nothing, because the answer says it all. What
 * is behind the last line break waits for the rest of its line.
 */
export class StreamReader {
  /** The beginning of a line, of less than MAX_STREAM_LINE_BYTES; null where the line is too long. */
  #rest: Buffer | null = Buffer.alloc(0);
  #parts: string[] = [];

  /** The pieces that end in these bytes, in their order. */
  read(bytes: Uint8Array): StreamPiece[] {
    const pieces: StreamPiece[] = [];
    let from = 0;
    for (let to = bytes.indexOf(NEWLINE); to >= 0; to = bytes.indexOf(NEWLINE, from)) {
      this.#keep(bytes.subarray(from, to));
      const line = this.#rest;
      this.#rest = Buffer.alloc(0);
      from = to + 1;
      if (line === null) this.#parts = [];
      else if (line.length > 0) pieces.push(...this.#take(line));
    }
    this.#keep(bytes.subarray(from));
    return pieces;
  }

  /** Forgets the line and the event that are not complete: what is read next is another stream. */
  startOver(): void {
    this.#rest = Buffer.alloc(0);
    this.#parts = [];
  }

  #keep(bytes: Uint8Array): void {
    if (this.#rest === null || bytes.length === 0) return;
    const isTooLong = this.#rest.length + bytes.length >= MAX_STREAM_LINE_BYTES;
    this.#rest = isTooLong ? null : Buffer.concat([this.#rest, bytes]);
  }

  #take(bytes: Buffer): StreamPiece[] {
    const parts = this.#parts;
    this.#parts = [];
    const read = readStrictJson(bytes, streamLineSchema);
    if (!read.ok) return [];
    const line = read.value;
    if (!('part' in line)) return [line];
    const { event, part, of } = line;
    const before = part === 1 ? [] : parts;
    // The parts of an event follow one another.
    if (part !== before.length + 1) return [];
    if (part === of) return [{ event: [...before, event].join('') }];
    before.push(event);
    this.#parts = before;
    return [];
  }
}

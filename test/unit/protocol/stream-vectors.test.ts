import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  MAX_STREAM_LINE_BYTES,
  type StreamPiece,
  StreamReader,
  writeStreamLines,
} from '../../../src/protocol/stream.js';
import { readVectors, titled } from '../../support/read-vectors.js';

// The vectors of streams. vectors.test.ts has those of single messages.

const text = z.string();
const named = { name: text };
const filled = { before: text, fill: text, times: z.int() };
const vectors = await readVectors(
  'streams',
  z.object({
    read: z.array(z.object({ ...named, text, pieces: z.array(z.unknown()) })).min(1),
    long: z
      .array(z.object({ ...named, ...filled, after: text, pieces: z.array(z.record(text, z.unknown())) }))
      .min(1),
    written: z.array(z.object({ ...named, piece: z.unknown(), lines: text })).min(1),
    cut: z
      .array(
        z.object({
          ...named,
          kind: z.enum(['text', 'thinking', 'event']),
          ...filled,
          lengths: z.array(z.int()),
        }),
      )
      .min(1),
  }),
);

/** What a reader makes of the bytes, whole and one by one. */
function readBothWays(said: string): StreamPiece[] {
  const bytes = Buffer.from(said);
  const whole = new StreamReader().read(bytes);
  const slow = new StreamReader();
  const bit = [...bytes].flatMap((_, at) => slow.read(bytes.subarray(at, at + 1)));
  expect(bit).toEqual(whole);
  return whole;
}

test.each(titled(vectors.read))('a stream is read: %s', (_name, one) => {
  expect(readBothWays(one.text)).toEqual(one.pieces);
});

test.each(titled(vectors.long))('a stream is read: %s', (_name, { before, fill, times, after, pieces }) => {
  const wanted = pieces.map((piece) =>
    'fill' in piece ? { text: String(piece.fill).repeat(Number(piece.times)) } : piece,
  );
  expect(readBothWays(before + fill.repeat(times) + after)).toEqual(wanted);
});

test.each(titled(vectors.written))('a piece is written: %s', (_name, { piece, lines }) => {
  expect(writeStreamLines(piece as StreamPiece).toString('utf8')).toBe(lines);
});

test.each(titled(vectors.cut))('a long piece is cut: %s', (_name, { kind, before, fill, times, lengths }) => {
  const given = before + fill.repeat(times);
  const lines = writeStreamLines({ [kind]: given } as unknown as StreamPiece)
    .toString('utf8')
    .split('\n');
  expect(lines.every((line) => Buffer.byteLength(line) < MAX_STREAM_LINE_BYTES)).toBe(true);
  // Behind the last line break is nothing.
  expect(lines.pop()).toBe('');
  const parts = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const said = parts.map((part) => String(part[kind]));
  expect(said.join('')).toBe(given);
  expect(said.map((one) => one.length)).toEqual(lengths);
  const isInParts = kind === 'event' && parts.length > 1;
  const numbers = parts.map((_, at) => (isInParts ? { part: at + 1, of: parts.length } : {}));
  expect(parts).toEqual(said.map((one, at) => ({ [kind]: one, ...numbers[at] })));
});

import { expect, test } from 'vitest';
import { PieceEncoder } from '../../../src/protocol/piece-encoder.js';
import type { StreamPiece } from '../../../src/protocol/stream.js';
import { StreamReader } from '../../../src/protocol/stream.js';

/** What a reader gets of these pieces, said one after another, and at the end. */
function heard(...pieces: StreamPiece[]): StreamPiece[] {
  const encoder = new PieceEncoder();
  const reader = new StreamReader();
  const said = pieces.flatMap((piece) => reader.read(encoder.encode(piece)));
  return [...said, ...reader.read(encoder.encode({ end: true }))];
}

test('a character that comes in two halves is said once it is whole, in text and in thinking', () => {
  const [high, low] = ['\ud83e', '\udd99'];
  expect(heard({ text: `a${high}` }, { text: `${low}b` })).toEqual([
    { text: 'a' },
    { text: '🦙b' },
    { end: true },
  ]);
  expect(heard({ thinking: high }, { thinking: low })).toEqual([{ thinking: '🦙' }, { end: true }]);
});

test('a half whose other half never comes is told as what it is, before whatever comes next', () => {
  const high = '\ud83e';
  expect(heard({ text: high })).toEqual([{ text: '\ufffd' }, { end: true }]);
  expect(heard({ thinking: `a${high}` }, { text: 'b' })).toEqual([
    ...[{ thinking: 'a' }, { thinking: '\ufffd' }],
    ...[{ text: 'b' }, { end: true }],
  ]);
  expect(heard({ text: high }, { event: 'data: {}\n\n' })).toEqual([
    { text: '\ufffd' },
    { event: 'data: {}\n\n' },
    { end: true },
  ]);
});

import { expect, test } from 'vitest';
import { type AnswerPiece, AnswerPieces } from '../../../src/asker/answer-pieces.js';
import type { StreamPiece } from '../../../src/protocol/stream.js';

const BEGIN: StreamPiece = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
const END: StreamPiece = { end: true };
const RESTART: AnswerPiece = { restart: true };

/** What is handed on of a stream, and then of the answer. */
function handed(stream: readonly StreamPiece[], answer: string | null): AnswerPiece[] {
  const pieces: AnswerPiece[] = [];
  const all = new AnswerPieces((piece) => pieces.push(piece));
  for (const piece of stream) all.take(piece);
  all.finish(answer);
  all.take({ text: 'too late' });
  return pieces;
}

const CASES: readonly (readonly [string, readonly StreamPiece[], string | null, readonly AnswerPiece[]])[] = [
  ['a whole stream', [BEGIN, { text: 'fo' }, { text: 'ur' }, END], 'four', [{ text: 'fo' }, { text: 'ur' }]],
  ['no stream', [], 'four', [{ text: 'four' }]],
  ['a stream that stops in the middle', [BEGIN, { text: 'fo' }], 'four', [{ text: 'fo' }, { text: 'ur' }]],
  ['thinking', [BEGIN, { thinking: 'hm' }, { text: 'four' }], 'four', [{ thinking: 'hm' }, { text: 'four' }]],
  [
    'a stream that said something else',
    [BEGIN, { text: 'five' }],
    'four',
    [{ text: 'five' }, RESTART, { text: 'four' }],
  ],
  [
    'a stream that said more',
    [BEGIN, { text: 'four.' }],
    'four',
    [{ text: 'four.' }, RESTART, { text: 'four' }],
  ],
  [
    'a second generation',
    [BEGIN, { text: 'fi' }, BEGIN, { text: 'four' }],
    'four',
    [{ text: 'fi' }, RESTART, { text: 'four' }],
  ],
  [
    'a second generation after thinking alone',
    [BEGIN, { thinking: 'hm' }, BEGIN, { text: 'four' }],
    'four',
    [{ thinking: 'hm' }, RESTART, { text: 'four' }],
  ],
  ['a second start before anything was said', [BEGIN, BEGIN, { text: 'four' }], 'four', [{ text: 'four' }]],
  ['an error after a part', [BEGIN, { text: 'fo' }], null, [{ text: 'fo' }, RESTART]],
  ['an error without a stream', [], null, []],
  ['events of an API', [BEGIN, { event: 'data: {}' }], 'four', [{ text: 'four' }]],
];

test.each(CASES)(
  'after %s, the text since the last restart is the answer',
  (_name, stream, answer, expected) => {
    const pieces = handed(stream, answer);
    expect(pieces).toEqual(expected);
    const text = pieces.reduce(
      (so, piece) => ('restart' in piece ? '' : 'text' in piece ? so + piece.text : so),
      '',
    );
    expect(text).toBe(answer ?? '');
  },
);

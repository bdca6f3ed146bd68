import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { JOIN_MS, PieceJoiner, type SaidPiece } from '../../../../src/agent/streams/piece-joiner.js';

let lines: { readonly atMs: number; readonly piece: SaidPiece }[];
let joiner: PieceJoiner;
let startMs: number;

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  startMs = Date.now();
  joiner = new PieceJoiner((piece) => lines.push({ atMs: Date.now() - startMs, piece }));
});
afterEach(() => vi.useRealTimers());

const pieces = () => lines.map(({ piece }) => piece);

test('what comes after a silence goes out at once, and what follows within 15 ms as one line', () => {
  for (const text of ['a', 'b', 'c']) joiner.push('text', text);
  expect(pieces()).toEqual([{ text: 'a' }]);
  vi.advanceTimersByTime(JOIN_MS);
  expect(lines).toEqual([
    { atMs: 0, piece: { text: 'a' } },
    { atMs: JOIN_MS, piece: { text: 'bc' } },
  ]);
  vi.advanceTimersByTime(JOIN_MS);
  joiner.push('text', 'd');
  expect(lines.at(-1)).toEqual({ atMs: 2 * JOIN_MS, piece: { text: 'd' } });
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(JOIN_MS);
  expect(vi.getTimerCount()).toBe(0);
});

test('2,000 pieces a second become 67 lines at most, none held for longer than 15 ms, and none is lost', () => {
  const said: { readonly text: string; readonly atMs: number }[] = [];
  for (let at = 0; at < 4000; at++) {
    if (at % 2 === 1) vi.advanceTimersByTime(1);
    const text = `${at} `;
    said.push({ text, atMs: Date.now() - startMs });
    joiner.push('text', text);
  }
  joiner.flush();
  const texts = lines.map(({ piece }) => ('text' in piece ? piece.text : ''));
  expect(texts.join('')).toBe(said.map(({ text }) => text).join(''));
  expect(lines.length).toBeLessThanOrEqual(2 * 67 + 2);
  const lateMs = said.map(({ text, atMs }) => {
    const line = lines.find(({ piece }) => 'text' in piece && ` ${piece.text}`.includes(` ${text}`));
    return (line?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
  });
  expect(Math.max(...lateMs)).toBeLessThanOrEqual(JOIN_MS);
});

test('text is joined with text and thinking with thinking, and their order stays', () => {
  joiner.push('thinking', '1');
  for (const [kind, text] of [
    ['thinking', '2'],
    ['thinking', '3'],
    ['text', '4'],
    ['text', ''],
    ['text', '5'],
    ['thinking', '6'],
  ] as const) {
    joiner.push(kind, text);
  }
  vi.advanceTimersByTime(JOIN_MS);
  expect(pieces()).toEqual([{ thinking: '1' }, { thinking: '23' }, { text: '45' }, { thinking: '6' }]);
});

test('the end writes what is left at once, and leaves no timer behind', () => {
  joiner.push('text', 'a');
  joiner.push('text', 'b');
  joiner.flush();
  expect(lines).toEqual([
    { atMs: 0, piece: { text: 'a' } },
    { atMs: 0, piece: { text: 'b' } },
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

test('what is void is not written any more', () => {
  joiner.push('text', 'a');
  joiner.push('text', 'b');
  joiner.drop();
  vi.advanceTimersByTime(JOIN_MS);
  expect(pieces()).toEqual([{ text: 'a' }]);
});

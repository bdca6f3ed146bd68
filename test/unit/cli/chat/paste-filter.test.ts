import { expect, test } from 'vitest';
import { PasteFilter, type Typed } from '../../../../src/cli/chat/paste-filter.js';

const INPUT = 'a\u001b[200~one\r\ntwo\rthree\n\u001b[31mred\u001b[201~b\r\u001b[A\u001b[200~\u001b[201~';
const TYPED: Typed[] = [
  { keys: 'a' },
  { pasted: 'one\ntwo\nthree\n[31mred' },
  { keys: 'b\r\u001b[A' },
  { pasted: '' },
];

/** Keys that come one after the other, together. */
function joined(typed: readonly Typed[]): Typed[] {
  const all: Typed[] = [];
  for (const one of typed) {
    const last = all.at(-1);
    if ('keys' in one && last !== undefined && 'keys' in last)
      all[all.length - 1] = { keys: last.keys + one.keys };
    else all.push(one);
  }
  return all;
}

test('what is pasted is told from keys, without control characters, wherever the input is cut', () => {
  expect(new PasteFilter().push(INPUT)).toEqual(TYPED);
  for (let at = 1; at < INPUT.length; at += 1) {
    const filter = new PasteFilter();
    expect(
      joined([...filter.push(INPUT.slice(0, at)), ...filter.push(INPUT.slice(at))]),
      `cut at ${at}`,
    ).toEqual(TYPED);
  }
  const filter = new PasteFilter();
  expect(joined([...INPUT].flatMap((character) => filter.push(character)))).toEqual(TYPED);
});

test('Escape is a key once nothing follows it, and never ends a paste', () => {
  const filter = new PasteFilter();
  expect(filter.push('x\u001b')).toEqual([{ keys: 'x' }]);
  expect(filter.flush()).toEqual([{ keys: '\u001b' }]);
  expect(filter.flush()).toEqual([]);
  expect(filter.push('\u001b[200~half\u001b')).toEqual([]);
  expect(filter.flush()).toEqual([]);
  expect(filter.push('[201~')).toEqual([{ pasted: 'half' }]);
});

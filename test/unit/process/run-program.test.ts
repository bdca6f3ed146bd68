import { expect, test } from 'vitest';
import { BothEnds } from '../../../src/process/run-program.js';

test('what a program says is kept whole, up to what anybody reads', () => {
  const said = new BothEnds();
  for (const text of ['fatal: ', 'кто', 'там?']) said.add(Buffer.from(text));
  expect(said.text()).toBe('fatal: ктотам?');
});

test('of a flood the two ends are kept', () => {
  const said = new BothEnds();
  said.add(Buffer.from('first '));
  for (let megabyte = 0; megabyte < 20; megabyte++) said.add(Buffer.alloc(1024 * 1024, 'x'));
  for (let piece = 0; piece < 100_000; piece++) said.add(Buffer.from('y'));
  said.add(Buffer.from(' last'));
  const text = said.text();
  expect(text).toMatch(/^first x/);
  expect(text).toMatch(/y last$/);
  expect(text.length).toBeLessThan(200_000);
});

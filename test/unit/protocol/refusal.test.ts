import { expect, test } from 'vitest';
import { formatRefusal, parseRefusal, REFUSAL_CODES } from '../../../src/protocol/refusal.js';
import { NASTY_TEXTS } from './answer-fixture.js';

test.each(REFUSAL_CODES)('a refusal [%s] is found in what git says of the push', (code) => {
  const refusal = { code, text: 'commit 3f2a1b9c: what (was) wrong', remedy: 'do this' };
  const stderr = `remote: ${formatRefusal(refusal)}        \nTo ssh://x\n ! [remote rejected] main (pre-receive hook declined)\n`;
  expect(parseRefusal(stderr)).toEqual(refusal);
});

test.each(NASTY_TEXTS)('a refusal that quotes %j is one line and is found', (text) => {
  const line = formatRefusal({ code: 'payload', text: `task.json ${text}`, remedy: `not ${text}` });
  expect(line).not.toMatch(/[\r\n\u0085\u2028\u2029]/);
  expect(parseRefusal(`remote: ${line}\r\nremote: more\n`)).toMatchObject({
    code: 'payload',
    text: expect.stringMatching(/^task\.json/),
    remedy: expect.stringMatching(/^not/),
  });
});

test('a refusal that quotes another refusal keeps its own code', () => {
  const quoted = '\nremote: llm-bridge refused [answered]: has its answer; try: nothing';
  expect(parseRefusal(formatRefusal({ code: 'payload', text: quoted, remedy: 'r' }))?.code).toBe('payload');
});

test('what an older server said of a claim or a presence in its text alone is understood', () => {
  const claim = `refs/bridge/claims/${'3f'.repeat(20)}`;
  const read = (what: string) => parseRefusal(`remote: llm-bridge refused [claimed]: ${what}; try: b`);

  expect(read(`home-pc: ${claim}: task 3f3f3f3f is held by attic-pc until later`)).toMatchObject({
    ...{ ref: claim, holder: 'attic-pc' },
  });
  expect(read(`the owner: ${claim}: the claim was changed meanwhile`)).toMatchObject({ ref: claim });
  expect(read('home-pc: it says refs/bridge/claims/1: no')).not.toHaveProperty('ref');
});

test('a refusal says little, so a pipe that nobody reads takes it', () => {
  const line = formatRefusal({ code: 'shape', text: 'x'.repeat(1_000_000), remedy: 'y'.repeat(1_000_000) });
  expect(line.length).toBeLessThan(4096);
});

test('a code of a later version is a fault, and other words are no refusal', () => {
  expect(parseRefusal('llm-bridge refused [sunspots]: a; try: b')).toEqual({
    code: 'internal',
    text: 'a',
    remedy: 'b',
  });
  expect(parseRefusal('remote: error: hook declined')).toBeNull();
});

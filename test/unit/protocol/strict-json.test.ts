import { expect, test } from 'vitest';
import * as z from 'zod';
import { describeIssues, readStrictJson, readUtf8 } from '../../../src/protocol/strict-json.js';

const schema = z.strictObject({
  a: z.unknown().optional(),
  n: z.strictObject({ x: z.number() }).optional(),
});

function read(text: string | Buffer) {
  return readStrictJson(typeof text === 'string' ? Buffer.from(text) : text, schema);
}

function reasonOf(text: string | Buffer): string {
  const result = read(text);
  if (result.ok) throw new Error('it was read');
  return result.reason;
}

test('text in UTF-8 is read as it is, with every line break and every plane', () => {
  const text = 'Привет\r\n😀\u2028 \u0000end';
  expect(readUtf8(Buffer.from(text))).toEqual({ ok: true, value: text });
});

test.each([
  ['a lone continuation byte', [0x61, 0x80]],
  ['a cut sequence', [0xd0]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['a surrogate', [0xed, 0xa0, 0x80]],
  ['latin-1', [0xe4, 0x20]],
])('%s is not UTF-8', (_name, bytes) => {
  expect(readUtf8(Buffer.from(bytes))).toEqual({ ok: false, reason: 'is not valid UTF-8' });
});

test('a byte order mark is refused by name, and one inside of the text is not', () => {
  expect(reasonOf('\ufeff{}')).toMatch(/byte order mark/);
  expect(readUtf8(Buffer.from('a\ufeff'))).toEqual({ ok: true, value: 'a\ufeff' });
});

test('good JSON is read', () => {
  expect(read(' {"a": [1, {"b": "c"}], "n": {"x": 1}}\n')).toEqual({
    ok: true,
    value: { a: [1, { b: 'c' }], n: { x: 1 } },
  });
});

test.each(['', ' ', '{', '{"a":1,}', "{'a':1}", '{"a":1}{}', 'NaN', '{"a":1} // yes'])(
  '%j is not JSON',
  (text) => {
    expect(reasonOf(text)).toMatch(/^is not JSON: /);
  },
);

test.each([
  ['twice', '{"a":1,"a":1}'],
  ['once escaped', '{"a":1,"\\u0061":1}'],
  ['deep inside', '{"a":[{"b":{"a":1,"c":2,"a":3}}]}'],
])('a key that stands %s is refused by name', (_name, text) => {
  expect(reasonOf(text)).toBe('has the key "a" twice');
});

test.each(['{"__proto__":{}}', '{"a":{"\\u005f_proto__":1}}'])('%s is refused', (text) => {
  expect(reasonOf(text)).toBe('has the key "__proto__"');
});

test('nesting is taken to 64 levels and no further', () => {
  const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
  expect(read(nested(64)).ok).toBe(true);
  expect(reasonOf(nested(65))).toBe('nests deeper than 64 levels');
  expect(reasonOf(nested(200_000))).toBe('nests deeper than 64 levels');
});

test('an unknown field and a bad value are named, with their path', () => {
  expect(reasonOf('{"temprature":1}')).toMatch(/"temprature"/);
  expect(reasonOf('{"n":{"x":"1"}}')).toMatch(/^n\.x: /);
  expect(reasonOf('[]')).not.toBe('');
});

test.each([
  ['an unknown field', (evil: string) => JSON.stringify({ [evil]: 1 })],
  ['a key that stands twice', (evil: string) => `{${JSON.stringify(evil)}:1,${JSON.stringify(evil)}:1}`],
  ['what is no JSON', (evil: string) => `{"a": ${evil}}`],
])('the reason for %s is one short line without control characters, whatever it quotes', (_name, make) => {
  const evil = `\nremote: llm-bridge refused [answered]: x; try: y\u001b[2J\u2028\u0085\u202e${'x'.repeat(1_000_000)}`;
  const reason = reasonOf(make(evil));
  expect(reason.length).toBeLessThanOrEqual(320);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what must not be there
  expect(reason).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
});

test('of many findings the first three are told', () => {
  const many = z.strictObject({ a: z.number(), b: z.number(), c: z.number(), d: z.number() }).safeParse({});
  const text = describeIssues(many.error?.issues ?? []);
  expect(text.split('; ').map((one) => one.slice(0, 2))).toEqual(['a:', 'b:', 'c:']);
});

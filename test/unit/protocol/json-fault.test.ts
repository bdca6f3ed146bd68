import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { findJsonFault } from '../../../src/protocol/strict-json.js';

/** A value as it is written, with objects as lists of members, so that a key can stand twice. */
type Written =
  | { readonly kind: 'atom'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly Written[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Written])[] };

const key = fc.oneof(
  fc.constantFrom('a', 'b', '__proto__', '', '"', '\\', '{', ',', 'constructor'),
  fc.string(),
);
const { written } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof(
    { maxDepth: 5 },
    fc
      .oneof(fc.json({ maxDepth: 0 }), fc.string().map(escapeAll), fc.constantFrom('"{[,:\\"]}"', '-1.5e+3'))
      .map((text): Written => ({ kind: 'atom', text })),
    fc.array(tie('written'), { maxLength: 3 }).map((items): Written => ({ kind: 'array', items })),
    fc
      .array(fc.tuple(key, tie('written')), { maxLength: 4 })
      .map((members): Written => ({ kind: 'object', members })),
  ),
}));

test('it finds what a reader of the structure finds, and nothing else', () => {
  fc.assert(
    fc.property(written, fc.integer({ min: 1, max: 6 }), fc.boolean(), (value, maxDepth, spaced) => {
      const text = write(value, spaced);
      JSON.parse(text);
      expect(findJsonFault(text, maxDepth)).toBe(referenceFault(value, maxDepth, 0));
    }),
    { numRuns: 500 },
  );
});

test('what JSON.stringify wrote has no fault but its depth', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      const fault = findJsonFault(text, 1000);
      expect(fault === null || fault === 'has the key "__proto__"').toBe(true);
    }),
  );
});

/** The first fault in the order of the text. */
function referenceFault(value: Written, maxDepth: number, depth: number): string | null {
  if (value.kind === 'atom') return null;
  if (depth === maxDepth) return `nests deeper than ${maxDepth} levels`;
  const seen: string[] = [];
  const parts = value.kind === 'array' ? value.items.map((item) => [null, item] as const) : value.members;
  for (const [name, inner] of parts) {
    if (name === '__proto__') return 'has the key "__proto__"';
    if (name !== null && seen.includes(name)) return `has the key ${JSON.stringify(name)} twice`;
    if (name !== null) seen.push(name);
    const fault = referenceFault(inner, maxDepth, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}

function write(value: Written, spaced: boolean): string {
  const gap = spaced ? ' \n\t' : '';
  if (value.kind === 'atom') return `${gap}${value.text}${gap}`;
  if (value.kind === 'array')
    return `${gap}[${value.items.map((item) => write(item, spaced)).join(',')}${gap}]`;
  const members = value.members.map(
    ([name, inner], at) =>
      `${gap}${at % 2 === 0 ? JSON.stringify(name) : escapeAll(name)}${gap}:${write(inner, spaced)}`,
  );
  return `{${members.join(',')}${gap}}${gap}`;
}

/** A string with every code unit as `\uXXXX`: the same key in another spelling. */
function escapeAll(text: string): string {
  const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
}

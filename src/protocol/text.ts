import * as z from 'zod';

/**
 * White space, wherever the protocol trims a text or asks whether it is empty. It is the list of
 * ECMAScript's `trim` and `\s`, which are what the code uses; a test compares them with this list. Other
 * languages have other lists: Python's `strip` takes U+0085 for white space, and not U+FEFF.
 */
export const WHITE_SPACE: readonly (readonly [first: number, last: number])[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];

/** Whether a text has nothing but white space. */
export function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** How many code points a text has: every length in characters counts them, in any language the same. */
export function lengthOf(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += widthAt(text, at)) count += 1;
  return count;
}

/** At most `max` characters of `text`. The cut is between code points and is marked by `…`. */
export function excerpt(text: string, max: number): string {
  if (text.length <= max) return text;
  let cut = 0;
  for (let at = 0, count = 0; at < text.length; at += widthAt(text, at), count += 1) {
    if (count === max - 1) cut = at;
    if (count === max) return `${text.slice(0, cut)}…`;
  }
  return text;
}

/** The UTF-16 code units of the code point at `at`. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

/**
 * A surrogate without its other half. JSON can spell one (`\ud800`), UTF-8 cannot have it, and strict
 * readers die of it (serde_json, Python's print).
 */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a text has no lone surrogate. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** The text with U+FFFD for each lone surrogate. */
export function toWellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Whether no text in a JSON value has a lone surrogate, keys included. */
export function isWellFormedJson(value: unknown): boolean {
  if (typeof value === 'string') return isWellFormed(value);
  if (typeof value !== 'object' || value === null) return true;
  // The values of a list one by one: a list of pairs of millions of numbers would be many times its size.
  if (Array.isArray(value)) return value.every(isWellFormedJson);
  return Object.entries(value).every(([key, inner]) => isWellFormed(key) && isWellFormedJson(inner));
}

/** The value with U+FFFD for each lone surrogate in its texts. Its keys are ours. */
export function toWellFormedJson<T>(value: T): T {
  const made = (inner: unknown): unknown => {
    if (typeof inner === 'string') return toWellFormed(inner);
    if (Array.isArray(inner)) return inner.map(made);
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, one]) => [key, made(one)]));
  };
  return made(value) as T;
}

/** The reason for a text that is not well-formed. */
export const HALF_A_CHARACTER = 'has half a character (a lone surrogate): write the whole one, or U+FFFD';

/** Any text that is well-formed. */
export const textSchema = z.string().refine(isWellFormed, HALF_A_CHARACTER);

/** A text of `min` to `max` code points. */
export function textOf(min: 0 | 1, max: number) {
  return textSchema.refine(
    // No text has more code points than code units, so most need no count.
    (text) => text.length >= min && (text.length <= max || lengthOf(text) <= max),
    { error: `must have ${min === 0 ? 'at most' : '1 to'} ${max} characters` },
  );
}

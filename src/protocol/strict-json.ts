import type * as z from 'zod';
import { MAX_JSON_DEPTH, MAX_JSON_PARTS } from './limits.js';
import { oneLine } from './printable.js';
import { excerpt } from './text.js';

/** Enough to name three fields. A reason goes through a hook's pipe and onto one line of a terminal. */
const MAX_REASON_CHARS = 300;

/** The result of reading a message: the value, or the reason why it is invalid. */
export type ReadResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads bytes as UTF-8 text. Refuses invalid bytes, and a byte order mark, because two files
 * that look the same must be the same.
 */
export function readUtf8(bytes: Uint8Array): ReadResult<string> {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return { ok: false, reason: 'starts with a byte order mark; save it as UTF-8 without BOM' };
  }
  try {
    return { ok: true, value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { ok: false, reason: 'is not valid UTF-8' };
  }
}

/**
 * Reads a JSON message strictly: UTF-8, no byte order mark, nested at most MAX_JSON_DEPTH deep, of at most
 * MAX_JSON_PARTS parts, no key twice in an object, no `__proto__`, and exactly the fields of `schema`. The
 * reason names the field.
 */
export function readStrictJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): ReadResult<T> {
  const text = readUtf8(bytes);
  if (!text.ok) return text;
  // Before anything is made of it.
  if (hasMoreJsonParts(text.value, MAX_JSON_PARTS)) {
    return { ok: false, reason: `has more than ${MAX_JSON_PARTS} objects, lists and strings` };
  }
  let value: unknown;
  try {
    value = JSON.parse(text.value);
  } catch (error) {
    return { ok: false, reason: `is not JSON: ${harmless((error as SyntaxError).message)}` };
  }
  const fault = findJsonFault(text.value, MAX_JSON_DEPTH);
  if (fault !== null) return { ok: false, reason: harmless(fault) };
  const parsed = schema.safeParse(value);
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, reason: describeIssues(parsed.error.issues) };
}

/**
 * The bytes of a small message that has exactly one form: the fields in the order of the schema, no spaces,
 * and a line break. Throws for a value that does not fit the schema, because only our own values come here.
 */
export function writeExactJson<T>(value: T, schema: z.ZodType<T>): Buffer {
  return Buffer.from(`${stringifyEscaped(schema.parse(value))}\n`, 'utf8');
}

/**
 * Reads a message that writeExactJson wrote: as readStrictJson does, at most `maxBytes` long, and in that
 * one form.
 */
export function readExactJson<T>(bytes: Uint8Array, schema: z.ZodType<T>, maxBytes: number): ReadResult<T> {
  if (bytes.length > maxBytes)
    return { ok: false, reason: `has ${bytes.length} bytes; the limit is ${maxBytes}` };
  const read = readStrictJson(bytes, schema);
  if (!read.ok || writeExactJson(read.value, schema).equals(bytes)) return read;
  return {
    ok: false,
    reason: 'is not in the one form it has: fields in their order, no spaces, a line break',
  };
}

/**
 * The first three findings of zod as one line:
 * `options.temperature: Too big…; Unrecognized key: "temprature"`.
 */
export function describeIssues(issues: readonly z.core.$ZodIssue[]): string {
  const texts = issues.slice(0, 3).map((issue) => {
    const path = issue.path.map(String).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  return harmless(texts.join('; '));
}

/**
 * Makes a reason short and harmless: JSON.parse and zod quote the input with its line breaks and escape
 * sequences, up to a megabyte of it.
 */
function harmless(reason: string): string {
  return excerpt(oneLine(reason), MAX_REASON_CHARS);
}

/**
 * Finds what `JSON.parse` accepts and a message must not have: the same key twice in an object (two readers
 * would see two messages), the key `__proto__`, a number that becomes infinite, and nesting deeper than
 * `maxDepth`. `text` must be valid JSON. Returns the fault in words, or null.
 *
 * This is our own scanner because `JSON.parse` hides duplicate keys, and this layer imports no other JSON
 * reader. It needs no grammar, because it runs on valid JSON only: strings and brackets are enough.
 */
export function findJsonFault(text: string, maxDepth: number): string | null {
  // A set is made for the first key, because objects may be empty, and many.
  const open: { keys: Set<string> | null; expectsKey: boolean; isObject: boolean }[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    const inner = open.at(-1);
    if (char === '{' || char === '[') {
      if (open.length === maxDepth) return `nests deeper than ${maxDepth} levels`;
      const isObject = char === '{';
      open.push({ keys: null, expectsKey: isObject, isObject });
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === ',') {
      if (inner?.isObject) inner.expectsKey = true;
    } else if (char === '"') {
      const end = endOfString(text, at);
      if (inner?.expectsKey) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (key === '__proto__') return 'has the key "__proto__"';
        if (inner.keys?.has(key)) return `has the key ${JSON.stringify(key)} twice`;
        inner.keys ??= new Set();
        inner.keys.add(key);
        inner.expectsKey = false;
      }
      at = end;
    } else if (char === '-' || (char !== undefined && char >= '0' && char <= '9')) {
      const number = /[-+.0-9eE]+/y;
      number.lastIndex = at;
      const digits = number.exec(text)?.[0] ?? char;
      if (!Number.isFinite(Number(digits)))
        return `has the number ${digits.slice(0, 20)}, which is too large`;
      at += digits.length - 1;
    }
  }
  return null;
}

/** Whether a text has more objects, lists and strings than `max`, keys included. It need not be JSON. */
export function hasMoreJsonParts(text: string, max: number): boolean {
  let parts = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at);
    else if (char !== '{' && char !== '[') continue;
    parts += 1;
    if (parts > max) return true;
  }
  return false;
}

/** The index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/**
 * `JSON.stringify` with more escapes, so that a text stays on one line for every reader and in one direction
 * on a terminal: DEL and the C1 controls (some readers take U+0085 for a line break), U+2028 and U+2029,
 * bidirectional marks, and U+FEFF. `JSON.stringify` itself escapes C0 controls, and lone surrogates, which
 * no message has. Other text (for example Cyrillic) stays readable.
 */
export function stringifyEscaped(value: unknown, indent?: number): string {
  return escapeJsonText(JSON.stringify(value, null, indent));
}

/**
 * Adds the same escapes to a text that is JSON already. Such characters occur only inside its
 * strings, so its value stays the same.
 */
export function escapeJsonText(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

import type * as z from 'zod';
import { stringifyEscaped } from './escape-json.js';
import { findJsonFault } from './json-fault.js';
import { MAX_JSON_DEPTH } from './limits.js';
import { excerpt, oneLine } from './printable.js';

/** Enough to name three fields; a reason goes through a hook's pipe and onto one line of a terminal. */
const MAX_REASON_CHARS = 300;

/** What reading a message ends as: the value, or the reason why it is none. */
export type ReadResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads bytes as UTF-8 text: fatal on bytes that are none, and on a byte order mark, because two files that look the
 * same must be the same.
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
 * Reads a JSON message strictly: UTF-8, no byte order mark, nested at most MAX_JSON_DEPTH deep, no key twice in an
 * object, no `__proto__`, and exactly the fields of `schema`. The reason names the field.
 */
export function readStrictJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): ReadResult<T> {
  const text = readUtf8(bytes);
  if (!text.ok) return text;
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
 * The bytes of a small message that has one form only: the fields in the order of the schema, no spaces, and a line break. What does not
 * fit the schema throws, because only our own values come here.
 */
export function writeExactJson<T>(value: T, schema: z.ZodType<T>): Buffer {
  return Buffer.from(`${stringifyEscaped(schema.parse(value))}\n`, 'utf8');
}

/** Reads such a message: as readStrictJson does, of at most `maxBytes`, and in that one form. */
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

/** zod's findings as one line: `options.temperature: Too big…; Unrecognized key: "temprature"`, the first three. */
export function describeIssues(issues: readonly z.core.$ZodIssue[]): string {
  const texts = issues.slice(0, 3).map((issue) => {
    const path = issue.path.map(String).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  return harmless(texts.join('; '));
}

/** JSON.parse and zod quote what was wrong as it was: with its line breaks, its escape sequences and all its megabyte. */
function harmless(reason: string): string {
  return excerpt(oneLine(reason), MAX_REASON_CHARS);
}

import { MAX_JSON_DEPTH } from '../../../protocol/limits.js';
import { toWellFormed } from '../../../protocol/text.js';

/** A JSON object of a model server: any fields. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * How deep a value of a model server may nest. The levels around it count too: the answer, its response, the
 * body, and the parts of the body, such as the arguments of a call in a message of a choice.
 */
const MAX_DEPTH = MAX_JSON_DEPTH - 16;

/**
 * A value from `JSON.parse` that is safe to copy and to write again: no key that would set a prototype, no
 * number that JSON does not have (`1e999`), and null for what stands deeper than MAX_DEPTH levels, because
 * no bridge takes an answer that is deeper than MAX_JSON_DEPTH.
 */
export function cleanJson(value: unknown, depth = 0): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((one) => cleanJson(one, depth + 1));
  const clean: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key !== '__proto__') clean[toWellFormed(key)] = cleanJson(inner, depth + 1);
  }
  return clean;
}

/** Whether a value is a JSON object. */
export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON object; an empty one for anything else. */
export function jsonOf(value: unknown): Json {
  return isJson(value) ? value : {};
}

/** The objects in a list; none for anything else. */
export function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isJson) : [];
}

/** A text that is not empty; undefined for anything else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The place that an index names; null for one that no answer can have. */
export function placeOf(index: unknown, max: number): number | null {
  return typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < max ? index : null;
}

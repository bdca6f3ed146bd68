import { MAX_JSON_DEPTH } from '../protocol/limits.js';
import type { TaskResponse } from '../protocol/request.js';
import { toWellFormed } from '../protocol/text.js';

/** The body is two levels deep in an `inbox.json`: that object and its `response` are around it. */
const MAX_BODY_DEPTH = MAX_JSON_DEPTH - 2;

/** Replaces a status that no API has, such as 999. It counts as an error. */
const NO_STATUS = 599;

/**
 * What a model server responded, as a message may have it: U+FFFD for each lone surrogate, in keys too, and
 * without `__proto__`. Null where its body nests too deep.
 */
export function legalResponse({ status, body }: TaskResponse): TaskResponse | null {
  const legal = legalJson(body, MAX_BODY_DEPTH);
  if (legal === undefined) return null;
  return {
    status: Number.isInteger(status) && status >= 200 && status <= 599 ? status : NO_STATUS,
    body: legal,
  };
}

/**
 * Undefined where the value nests deeper. The recursion stops there, because a megabyte can nest a million
 * levels deep.
 */
function legalJson(value: unknown, maxDepth: number): unknown {
  if (typeof value === 'string') return toWellFormed(value);
  if (typeof value !== 'object' || value === null) return value;
  if (maxDepth === 0) return undefined;
  if (Array.isArray(value)) {
    const made = value.map((inner: unknown) => legalJson(inner, maxDepth - 1));
    return made.includes(undefined) ? undefined : made;
  }
  const made: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') continue;
    const legal = legalJson(inner, maxDepth - 1);
    if (legal === undefined) return undefined;
    made.push([toWellFormed(key), legal]);
  }
  return Object.fromEntries(made);
}

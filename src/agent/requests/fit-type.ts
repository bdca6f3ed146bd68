import { isJsonObject } from '../../protocol/json-object.js';
import { FieldRefused, type Place } from './call-place.js';
import type { Field } from './field.js';

/** A number within its bounds. Throws FieldRefused. */
export function number(
  value: unknown,
  { min, max, whole }: { min: number; max: number; whole: boolean },
  { at }: Place,
): number {
  const what = whole ? 'a whole number' : 'a number';
  if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
    throw new FieldRefused(at, `must be ${what} from ${min} to ${max}`);
  }
  if (value < min || value > max) throw new FieldRefused(at, `is ${value}; it may be ${min} to ${max}`);
  return value;
}

/** Whether a field takes values of this JSON type. */
function takes(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case 'text':
    case 'word':
    case 'media':
      return typeof value === 'string';
    case 'number':
    case 'context':
      return typeof value === 'number';
    case 'flag':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value) && (value.length === 0 || takes(field.of, value[0]));
    case 'either':
      return field.of.some((one) => takes(one, value));
    default:
      return isJsonObject(value);
  }
}

/**
 * The field of several that takes this value. Of two lists, the first member of the value decides. Throws
 * FieldRefused.
 */
export function oneOf(of: readonly Field[], value: unknown, { at }: Place): Field {
  const found =
    of.find((one) => takes(one, value)) ?? of.find((one) => one.kind === 'list' && Array.isArray(value));
  if (found !== undefined) return found;
  throw new FieldRefused(at, `must be ${[...new Set(of.map(typeWord))].join(' or ')}`);
}

function typeWord({ kind }: Field): string {
  if (kind === 'text' || kind === 'word' || kind === 'media') return 'a text';
  if (kind === 'number' || kind === 'context') return 'a number';
  if (kind === 'flag') return 'true or false';
  return kind === 'list' ? 'a list' : 'an object';
}

/** The value where it is an object; else throws FieldRefused. */
export function requireObject(value: unknown, { at }: Place): object {
  if (!isJsonObject(value)) throw new FieldRefused(at, 'must be an object');
  return value;
}

import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';

/** How much of a value or a key of the caller a message repeats. Characters. */
const MAX_SHOWN_CHARS = 40;

/** A field for which a call is refused. The message is a sentence that begins with the field. */
export class FieldRefused extends Error {
  constructor(
    /** Where the field stands: `messages.0.content.1.image_url.url`. */
    readonly field: string,
    why: string,
  ) {
    super(`${field} ${why}`);
  }
}

/** Where a value stands: `at` with the indexes of lists, `name` without. */
export interface Place {
  readonly at: string;
  readonly name: string;
}

/** The place of a field of an object. */
export function placeIn({ at, name }: Place, key: string): Place {
  const part = excerpt(oneLine(key), MAX_SHOWN_CHARS) || '""';
  return { at: at === '' ? part : `${at}.${part}`, name: name === '' ? part : `${name}.${part}` };
}

/** The place of a member of a list. */
export function memberOf({ at, name }: Place, index: number): Place {
  return { at: `${at}.${index}`, name };
}

/** A value of the caller in a message: on one line, and short. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'not said';
  const text =
    typeof value === 'object' ? (Array.isArray(value) ? 'a list' : 'an object') : JSON.stringify(value);
  return excerpt(oneLine(text), MAX_SHOWN_CHARS);
}

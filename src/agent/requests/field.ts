/**
 * What a field of an API call may be. The lists in `fields/` are made of these, so that each reads as a
 * table with the API's own reference beside it; `judge-field.ts` checks a value by one, `requests-page.ts`
 * says it in words for docs/requests.md. A field that is in no list never reaches a model server.
 */
export type Field = FieldKind & {
  /** Where it is documented, where that is not the reference of its list. */
  readonly source?: Source;
};

type FieldKind =
  | TextField
  | { readonly kind: 'number'; readonly min: number; readonly max: number; readonly whole: boolean }
  /** A length of context in tokens: from 1 to `--max-context`. */
  | { readonly kind: 'context' }
  | { readonly kind: 'flag' }
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'list'; readonly of: Field; readonly max: number }
  /** An object whose keys are the caller's: each fits `keys`. */
  | { readonly kind: 'map'; readonly keys: RegExp; readonly of: Field; readonly max: number }
  | { readonly kind: 'object'; readonly fields: Fields }
  | FormsField
  /** The first that takes the JSON type of the value. */
  | { readonly kind: 'either'; readonly of: readonly Field[] }
  /** A JSON Schema (`judge-schema.ts`). */
  | { readonly kind: 'schema' }
  /** JSON that only a model reads, like the arguments of a tool call: bounded in depth and size. */
  | { readonly kind: 'json' }
  | MediaField
  | RefusedField;

/** A page that documents fields. */
export interface Source {
  readonly name: string;
  readonly url: string;
}

/** The fields of an object by their names. */
export type Fields = Readonly<Record<string, Field>>;

interface TextField {
  readonly kind: 'text';
  /** In characters. Without it only the size of the task bounds it. */
  readonly max: number | null;
}

/** An object that says in one of its fields which form it has. A form that is not listed is refused. */
interface FormsField {
  readonly kind: 'forms';
  /** The field that says it: `type` or `role`. */
  readonly by: string;
  readonly forms: Readonly<Record<string, Fields>>;
  /** What it is where that field is left out; null: it has to be there. */
  readonly otherwise: string | null;
  /** Why another form is refused, for a sentence: `this agent runs no tools of a server`. */
  readonly why: string;
}

/** A picture, a sound or a file in the call itself, in base64. */
export interface MediaField {
  readonly kind: 'media';
  readonly what: 'image' | 'audio' | 'file';
  /** `url`: as `data:…;base64,…`. `base64`: the digits alone. `both`: either. */
  readonly as: 'url' | 'base64' | 'both';
}

interface RefusedField {
  readonly kind: 'refused';
  /** Why, for a sentence that begins with the name of the field: `names a file that is kept elsewhere`. */
  readonly why: string;
}

/** A field that is documented elsewhere than in the reference of its list. */
export function from(source: Source, field: Field): Field {
  return { ...field, source };
}

/** Any text. */
export const TEXT: Field = { kind: 'text', max: null };
/** A name or an id: function names have up to 128 characters in the APIs, ids up to 64. */
export const NAME: Field = { kind: 'text', max: 256 };
export const FLAG: Field = { kind: 'flag' };
export const SCHEMA: Field = { kind: 'schema' };
export const JSON_VALUE: Field = { kind: 'json' };
export const CONTEXT: Field = { kind: 'context' };

/** A text of at most `max` characters. */
export function text(max: number): Field {
  return { kind: 'text', max };
}

/** A number from `min` to `max`. */
export function number(min: number, max: number): Field {
  return { kind: 'number', min, max, whole: false };
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number): Field {
  return { kind: 'number', min, max, whole: true };
}

/** One of these words. */
export function word(...words: string[]): Field {
  return { kind: 'word', words };
}

/** A list of at most `max` members. */
export function list(of: Field, max: number): Field {
  return { kind: 'list', of, max };
}

/** An object with the caller's own keys. */
export function map(keys: RegExp, of: Field, max: number): Field {
  return { kind: 'map', keys, of, max };
}

/** An object of these fields; its others are dropped. */
export function object(fields: Fields): Field {
  return { kind: 'object', fields };
}

/** An object whose field `by` says which of `forms` it is. */
export function forms(
  by: string,
  why: string,
  byName: Readonly<Record<string, Fields>>,
  otherwise: string | null = null,
): Field {
  return { kind: 'forms', by, forms: byName, otherwise, why };
}

/** The first of these that takes a value of its JSON type. */
export function either(...of: Field[]): Field {
  return { kind: 'either', of };
}

/** A picture, a sound or a file in base64. */
export function media(what: MediaField['what'], as: MediaField['as']): Field {
  return { kind: 'media', what, as };
}

/** A field that ends the call: `why` follows its name. */
export function refused(why: string): Field {
  return { kind: 'refused', why };
}

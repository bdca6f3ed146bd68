import { lengthOf } from '../../protocol/text.js';
import { FieldRefused, memberOf, type Place, placeIn, shown } from './call-place.js';
import type { Field, Fields } from './field.js';
import { number, oneOf, requireObject } from './fit-type.js';
import { judgeMedia } from './judge-media.js';
import { judgeSchema } from './judge-schema.js';
import { whyRefused } from './refused-fields.js';

/**
 * How many pictures, sounds and files one call may have: each call of a conversation sends all again.
 */
export const MAX_MEDIA = 64;

/** How long they may be together, in characters of base64, which is 24 MB. */
export const MAX_MEDIA_CHARS = 32 * 1024 * 1024;

/** How deep the JSON that only a model reads may nest, and how many values it may have. */
export const MAX_JSON_VALUE_DEPTH = 32;
export const MAX_JSON_VALUES = 20_000;

/** What the owner of the agent allows calls. */
export interface RequestLimits {
  /** `--max-context`, in tokens. */
  readonly maxContext: number;
  /** `--pass-field`: fields that pass beside those of the lists, named as `dropped` names them. */
  readonly passFields: readonly string[];
}

/**
 * Checks the values of one call by their fields, and copies what is allowed. It recurses only as deep as the
 * lists and its own bounds go, whatever comes.
 */
export class FieldJudge {
  /** The fields that are left out, without the indexes of lists. */
  readonly dropped = new Set<string>();
  private media = 0;
  private mediaChars = 0;
  private jsonValues = 0;

  constructor(private readonly limits: RequestLimits) {}

  /** The allowed fields of a body. Throws FieldRefused. */
  body(fields: Fields, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return this.object(fields, body, { at: '', name: '' });
  }

  private object(fields: Fields, value: object, place: Place): Record<string, unknown> {
    const made: [string, unknown][] = [];
    for (const [key, inner] of Object.entries(value)) {
      const here = placeIn(place, key);
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (field === undefined) {
        if (this.mayPass(key, inner, here)) made.push([key, inner]);
      } else if (inner === null) {
        // In each of these APIs null means left out. It is kept, because a message may need its `content`.
        if (field.kind !== 'refused') made.push([key, null]);
      } else {
        made.push([key, this.judge(field, inner, here)]);
      }
    }
    return Object.fromEntries(made);
  }

  /**
   * Whether a field that is in no list passes, because the owner allows it (`--pass-field`). Else it is
   * dropped, or refused by its name.
   */
  private mayPass(key: string, value: unknown, place: Place): boolean {
    const why = whyRefused(key);
    // A client that knows all fields writes null or false into those that it does not use.
    const isUnused = value === null || value === false;
    if (why !== null && !isUnused) throw new FieldRefused(place.at, why);
    if (why === null && this.limits.passFields.includes(place.name)) {
      this.checkJson(value, place, 0, true);
      return true;
    }
    if (value !== null) this.dropped.add(place.name);
    return false;
  }

  private judge(field: Field, value: unknown, place: Place): unknown {
    switch (field.kind) {
      case 'text':
        return this.text(value, field.max, place);
      case 'number':
        return number(value, field, place);
      case 'context': {
        const max = this.limits.maxContext;
        if (typeof value === 'number' && value > max) {
          throw new FieldRefused(place.at, `is ${value}; this agent allows at most ${max} (--max-context)`);
        }
        return number(value, { min: 1, max, whole: true }, place);
      }
      case 'flag':
        if (typeof value !== 'boolean') throw new FieldRefused(place.at, 'must be true or false');
        return value;
      case 'word':
        if (typeof value === 'string' && field.words.includes(value)) return value;
        throw new FieldRefused(place.at, `is ${shown(value)}; it may be ${field.words.join(', ')}`);
      case 'list':
        if (!Array.isArray(value)) throw new FieldRefused(place.at, 'must be a list');
        if (value.length > field.max) {
          throw new FieldRefused(place.at, `has ${value.length} members; the limit is ${field.max}`);
        }
        return value.map((one, index) => this.judge(field.of, one, memberOf(place, index)));
      case 'map':
        return this.map(field, value, place);
      case 'object':
        return this.object(field.fields, requireObject(value, place), place);
      case 'forms':
        return this.form(field, requireObject(value, place), place);
      case 'either':
        return this.judge(oneOf(field.of, value, place), value, place);
      case 'schema':
        return this.schema(value, place);
      case 'json':
        this.checkJson(value, place, 0, false);
        return value;
      case 'media':
        return this.medium(field, value, place);
      case 'refused':
        throw new FieldRefused(place.at, field.why);
    }
  }

  private text(value: unknown, max: number | null, place: Place): string {
    if (typeof value !== 'string') throw new FieldRefused(place.at, 'must be a text');
    if (max !== null && value.length > max && lengthOf(value) > max) {
      throw new FieldRefused(place.at, `has ${lengthOf(value)} characters; the limit is ${max}`);
    }
    return value;
  }

  private map(field: Extract<Field, { kind: 'map' }>, value: unknown, place: Place): unknown {
    const entries = Object.entries(requireObject(value, place));
    if (entries.length > field.max) {
      throw new FieldRefused(place.at, `has ${entries.length} members; the limit is ${field.max}`);
    }
    return Object.fromEntries(
      entries.map(([key, inner]) => {
        if (!field.keys.test(key)) throw new FieldRefused(place.at, `has the key ${shown(key)}`);
        return [key, this.judge(field.of, inner, placeIn(place, key))];
      }),
    );
  }

  private form(field: Extract<Field, { kind: 'forms' }>, value: object, place: Place): unknown {
    const said = (value as Record<string, unknown>)[field.by] ?? field.otherwise;
    const fields =
      typeof said === 'string' && Object.hasOwn(field.forms, said) ? field.forms[said] : undefined;
    if (fields === undefined) {
      throw new FieldRefused(placeIn(place, field.by).at, `is ${shown(said)}: ${field.why}`);
    }
    return this.object({ ...fields, [field.by]: { kind: 'text', max: null } }, value, place);
  }

  private schema(value: unknown, place: Place): unknown {
    const judged = judgeSchema(requireObject(value, place));
    if (!judged.ok) throw new FieldRefused(place.at, judged.fault);
    for (const name of judged.dropped) this.dropped.add(placeIn(place, name).name);
    return judged.schema;
  }

  /** Checks JSON that has no list of fields: its bounds, and with `isPassed` that it has no addresses. */
  private checkJson(value: unknown, place: Place, depth: number, isPassed: boolean): void {
    if (depth > MAX_JSON_VALUE_DEPTH) {
      throw new FieldRefused(place.at, `nests deeper than ${MAX_JSON_VALUE_DEPTH} levels`);
    }
    this.jsonValues += 1;
    if (this.jsonValues > MAX_JSON_VALUES) {
      throw new FieldRefused(place.at, `brings the call to more than ${MAX_JSON_VALUES} values`);
    }
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new FieldRefused(place.at, 'has a number that is too large');
    }
    if (isPassed && typeof value === 'string' && /^\s*[a-z][a-z0-9+.-]*:\/\//i.test(value)) {
      throw new FieldRefused(place.at, 'is an address; this agent passes none on in a field of --pass-field');
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === '__proto__') throw new FieldRefused(place.at, 'has the key __proto__');
      const why = isPassed ? whyRefused(key) : null;
      if (why !== null) throw new FieldRefused(`${place.at}.${key}`, why);
      this.checkJson(inner, place, depth + 1, isPassed);
    }
  }

  private medium(field: Extract<Field, { kind: 'media' }>, value: unknown, place: Place): string {
    const text = this.text(value, null, place);
    this.media += 1;
    this.mediaChars += text.length;
    if (this.media > MAX_MEDIA || this.mediaChars > MAX_MEDIA_CHARS) {
      const limit = `${MAX_MEDIA} pictures, sounds and files, and ${MAX_MEDIA_CHARS} characters of them`;
      throw new FieldRefused(place.at, `is more than a call may have: ${limit}`);
    }
    const judged = judgeMedia(field, text);
    if (!judged.ok) throw new FieldRefused(place.at, judged.fault);
    return judged.value;
  }
}

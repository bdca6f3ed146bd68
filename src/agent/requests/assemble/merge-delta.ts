import { isJson, type Json, placeOf } from './clean-json.js';

/** Fields that say what something is. A later value of one replaces it and does not continue it. */
const NAMES = new Set(['id', 'type', 'role', 'name', 'index', 'object', 'status', 'format']);

/** How many places a list has that is filled by index: several times what any API allows. */
const MAX_PLACES = 256;

/**
 * Adds a delta to what came before it, as OpenAI's own clients do: texts go on, lists grow, objects merge
 * field by field, names and numbers are replaced, and null changes nothing that was said. The items of a
 * list that have an `index` are merged by it and stand in its order; an item whose index is no place is
 * ignored.
 */
export function mergeDelta(into: Record<string, unknown>, delta: Json): void {
  for (const [key, value] of Object.entries(delta)) into[key] = merged(key, into[key], value);
}

function merged(key: string, before: unknown, value: unknown): unknown {
  if (value === null) return before ?? null;
  if (typeof value === 'string') {
    if (typeof before !== 'string') return value;
    if (NAMES.has(key)) return value === '' ? before : value;
    return before + value;
  }
  if (Array.isArray(value)) return mergedList(before, value);
  if (!isJson(value)) return value;
  const whole: Record<string, unknown> = isJson(before) ? before : {};
  mergeDelta(whole, value);
  return whole;
}

/** A list that was made here grows in place: to copy it at each delta would take quadratic time. */
function mergedList(before: unknown, items: readonly unknown[]): unknown {
  const list = before instanceof GrowingList ? before : new GrowingList(Array.isArray(before) ? before : []);
  for (const item of items) list.add(item);
  return list;
}

/** A list that still grows; `settled` makes an array of it. */
class GrowingList {
  readonly #plain: unknown[];
  readonly #placed = new Map<number, Record<string, unknown>>();

  constructor(items: readonly unknown[]) {
    this.#plain = [...items];
  }

  add(item: unknown): void {
    if (!isJson(item) || !('index' in item)) {
      this.#plain.push(item);
      return;
    }
    const place = placeOf(item.index, MAX_PLACES);
    if (place === null) return;
    const known = this.#placed.get(place);
    if (known !== undefined && isSame(known, item)) {
      mergeDelta(known, item);
      return;
    }
    const fresh: Record<string, unknown> = {};
    mergeDelta(fresh, item);
    if (known === undefined) this.#placed.set(place, fresh);
    // Gemini's own server gives every call the index of the first: another id is another call.
    else this.#placed.set(this.#freePlace(place), fresh);
  }

  #freePlace(from: number): number {
    let place = from;
    while (this.#placed.has(place) && place < MAX_PLACES) place++;
    return place;
  }

  items(): unknown[] {
    const placed = [...this.#placed].sort(([a], [b]) => a - b).map(([, item]) => item);
    return [...this.#plain, ...placed];
  }
}

function isSame(known: Json, item: Json): boolean {
  return typeof item.id !== 'string' || item.id === '' || known.id === undefined || known.id === item.id;
}

/** The value with an array for each list, and without the indexes by which its items were merged. */
export function settled(value: unknown): unknown {
  if (value instanceof GrowingList) {
    return value.items().map((item) => {
      if (!isJson(item)) return item;
      const { index: _place, ...rest } = item;
      return settled(rest);
    });
  }
  if (Array.isArray(value)) return value;
  if (!isJson(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, settled(inner)]));
}

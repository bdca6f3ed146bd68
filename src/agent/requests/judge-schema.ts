import { patternFault } from './judge-pattern.js';

/** The longest schema, in characters of JSON: the bound of a task's `format` as well (check-format.ts). */
export const MAX_SCHEMA_CHARS = 100_000;

/** How deep a schema may nest. Those of real programs stay below 20. */
export const MAX_SCHEMA_DEPTH = 32;

/** How many objects, lists and values a schema may have. */
export const MAX_SCHEMA_VALUES = 10_000;

/**
 * How many members one `anyOf`, `oneOf`, `allOf` or `enum` may have: each becomes an alternative of a
 * grammar.
 */
export const MAX_ALTERNATIVES = 1000;

/**
 * The most repetitions that a schema may ask for in one place. llama.cpp refuses more as well
 * (MAX_REPETITION_THRESHOLD); its older versions made a rule for each repetition.
 */
export const MAX_REPETITIONS = 2000;

/** The largest sum of all the `minLength`, `maxLength`, `minItems` and so on of a schema. */
const MAX_TOTAL_REPETITIONS = 20_000;

/** How large a schema may be once every `$ref` is written out, as some servers do it. Values. */
const MAX_EXPANDED_VALUES = 50_000;

const REFERENCES = new Set(['$ref', '$dynamicRef', '$recursiveRef']);
const ALTERNATIVES = new Set(['anyOf', 'oneOf', 'allOf', 'enum', 'prefixItems']);
const LEAST = new Set(['minLength', 'minItems', 'minProperties', 'minContains']);
const MOST = new Set(['maxLength', 'maxItems', 'maxProperties', 'maxContains']);

/**
 * The judgement of a schema: as it is passed on, and which of its bounds were left out; or what is wrong
 * with it.
 */
export type JudgedSchema =
  | { readonly ok: true; readonly schema: unknown; readonly dropped: readonly string[] }
  | { readonly ok: false; readonly fault: string };

/**
 * Judges a JSON Schema that a model server makes a grammar of: a small program of whoever asks. Its size,
 * its depth, its alternatives, its repetitions and its patterns are bounded, and a `$ref` points into the
 * schema itself. A bound like `maxLength: 65536`, which real tools have, is left out and named rather than
 * refused: without it more answers fit, and no grammar has to count that far. The fault is worded for a
 * sentence.
 */
export function judgeSchema(schema: unknown): JudgedSchema {
  const walk = new SchemaWalk();
  try {
    const made = walk.copy(schema, 0);
    if (JSON.stringify(made).length > MAX_SCHEMA_CHARS) {
      throw new SchemaFault(`is a schema of more than ${MAX_SCHEMA_CHARS} characters`);
    }
    new References(made).check();
    return { ok: true, schema: made, dropped: [...walk.dropped] };
  } catch (error) {
    if (error instanceof SchemaFault) return { ok: false, fault: error.message };
    throw error;
  }
}

class SchemaFault extends Error {}

class SchemaWalk {
  readonly dropped = new Set<string>();
  private values = 0;
  private repetitions = 0;

  /**
   * Copies a part of a schema, within the bounds. Every object is treated as a schema, because the servers
   * do so as well.
   */
  copy(value: unknown, depth: number): unknown {
    if (depth > MAX_SCHEMA_DEPTH) throw new SchemaFault(`is a schema nested deeper than ${MAX_SCHEMA_DEPTH}`);
    this.values += 1;
    if (this.values > MAX_SCHEMA_VALUES) {
      throw new SchemaFault(`is a schema of more than ${MAX_SCHEMA_VALUES} values`);
    }
    if (Array.isArray(value)) return value.map((one) => this.copy(one, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    const kept = Object.entries(value).filter(([key, inner]) => this.keeps(key, inner));
    return Object.fromEntries(kept.map(([key, inner]) => [key, this.copy(inner, depth + 1)]));
  }

  private keeps(key: string, value: unknown): boolean {
    if (key === '__proto__') throw new SchemaFault('is a schema with the key __proto__');
    if (REFERENCES.has(key) && typeof value === 'string' && !value.startsWith('#')) {
      throw new SchemaFault(`is a schema whose ${key} points elsewhere; it may point into itself only (#/…)`);
    }
    if (ALTERNATIVES.has(key) && Array.isArray(value) && value.length > MAX_ALTERNATIVES) {
      throw new SchemaFault(
        `is a schema with ${value.length} members of ${key}; the limit is ${MAX_ALTERNATIVES}`,
      );
    }
    if (key === 'pattern' && typeof value === 'string') this.checkPattern(value);
    if (key === 'patternProperties' && typeof value === 'object' && value !== null) {
      for (const pattern of Object.keys(value)) this.checkPattern(pattern);
    }
    if (typeof value !== 'number') return true;
    if (MOST.has(key) && value > MAX_REPETITIONS) {
      this.dropped.add(key);
      return false;
    }
    if (LEAST.has(key) || MOST.has(key)) this.repeat(key, value);
    return true;
  }

  private repeat(key: string, times: number): void {
    if (times > MAX_REPETITIONS) {
      throw new SchemaFault(`is a schema with a ${key} of ${times}; the limit is ${MAX_REPETITIONS}`);
    }
    this.repetitions += times;
    if (this.repetitions > MAX_TOTAL_REPETITIONS) {
      throw new SchemaFault(`is a schema whose repetitions come to more than ${MAX_TOTAL_REPETITIONS}`);
    }
  }

  private checkPattern(pattern: string): void {
    const fault = patternFault(pattern);
    if (fault !== null) throw new SchemaFault(fault);
  }
}

/**
 * The `$ref`s of a schema: none leads back to itself with nothing between, and none makes the schema grow
 * much.
 */
class References {
  private readonly sizes = new Map<object, number>();
  private readonly under = new Set<object>();
  private readonly settled = new Set<object>();

  constructor(private readonly root: unknown) {}

  check(): void {
    if (this.expandedSize(this.root) > MAX_EXPANDED_VALUES) {
      throw new SchemaFault(
        `is a schema of more than ${MAX_EXPANDED_VALUES} values once its $refs are written out`,
      );
    }
    for (const node of this.sizes.keys()) this.followDirect(node, new Set());
  }

  /**
   * The values of a part with every reference written out once; one that is being written out counts as 1.
   */
  private expandedSize(node: unknown): number {
    if (typeof node !== 'object' || node === null) return 1;
    const known = this.sizes.get(node);
    if (known !== undefined) return known;
    if (this.under.has(node)) return 1;
    this.under.add(node);
    let size = 1;
    for (const inner of Object.values(node)) size += this.expandedSize(inner);
    const target = this.targetOf(node);
    if (target !== undefined) size += this.expandedSize(target);
    this.under.delete(node);
    this.sizes.set(node, size);
    return size;
  }

  /** Follows a node to what it stands for directly: its reference, and its alternatives. */
  private followDirect(node: unknown, path: Set<object>): void {
    if (typeof node !== 'object' || node === null || this.settled.has(node)) return;
    if (path.has(node)) throw new SchemaFault('is a schema whose $ref leads back to itself');
    path.add(node);
    const { anyOf, oneOf, allOf } = node as Record<string, unknown>;
    const direct = [this.targetOf(node), ...[anyOf, oneOf, allOf].filter(Array.isArray).flat()];
    for (const next of direct) this.followDirect(next, path);
    path.delete(node);
    this.settled.add(node);
  }

  /** What the `$ref` of a node points at; undefined where it has none or points at nothing. */
  private targetOf(node: object): unknown {
    const { $ref } = node as { $ref?: unknown };
    if (typeof $ref !== 'string') return undefined;
    let at: unknown = this.root;
    for (const part of $ref.replace(/^#\/?/, '').split('/')) {
      if (part === '') continue;
      if (typeof at !== 'object' || at === null) return undefined;
      const key = decode(part).replaceAll('~1', '/').replaceAll('~0', '~');
      at = Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined;
    }
    return at;
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

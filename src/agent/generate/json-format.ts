import { runInNewContext } from 'node:vm';
import { Ajv, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { errorText } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';
import type { TaskFormat } from '../../protocol/task.js';
import { BackendError } from '../backends/backend.js';
import { unwrapJson } from '../backends/finish-generation.js';

/** What checking an answer ends as: its JSON text, freed of any fence, or what is wrong with it, in one line. */
export type FormatCheck =
  | { readonly ok: true; readonly json: string }
  | { readonly ok: false; readonly complaint: string };

/** The longest schema that is compiled, in characters of JSON: schemas of real programs stay under a third of it. */
const MAX_SCHEMA_CHARS = 100_000;

/**
 * How long compiling a schema, and checking one answer with it, may take, in milliseconds. The agent does nothing else
 * meanwhile; ordinary schemas need some 50 ms, nearly all of it for the meta-schema.
 */
const MAX_SCHEMA_WORK_MS = 2000;

const MAX_COMPLAINT_CHARS = 500;

/**
 * Options for schemas that strangers write. `allErrors` is off and `inlineRefs` too, for both let a small schema grow large;
 * `ownProperties` keeps `required: ["constructor"]` from being fulfilled by every object; nothing is logged, nothing changes
 * the data, and without `loadSchema` no remote `$ref` is ever fetched.
 */
const AJV_OPTIONS: Options = {
  strict: false,
  allErrors: false,
  inlineRefs: false,
  ownProperties: true,
  logger: false,
};

/**
 * Makes the check for a task's format: any JSON for `"json"`, else JSON that fits the schema (2020-12, or draft-07 where
 * `$schema` says so; without `$schema` whichever of the two compiles first). Throws BackendError `invalid_schema` where the
 * schema does not compile; the check throws it where the schema cannot be carried out.
 */
export function compileFormat(format: TaskFormat): (answer: string) => FormatCheck {
  const fits = format === 'json' ? null : compileSchema(format);
  return (answer) => {
    const json = unwrapJson(answer);
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (error) {
      return { ok: false, complaint: complaint(`it is not JSON: ${errorText(error)}`) };
    }
    const fault = fits === null ? null : fits(value);
    return fault === null ? { ok: true, json } : { ok: false, complaint: complaint(fault) };
  };
}

function compileSchema(schema: Record<string, unknown>): (value: unknown) => string | null {
  const size = JSON.stringify(schema).length;
  if (size > MAX_SCHEMA_CHARS)
    throw invalidSchema(`it has ${size} characters; the limit is ${MAX_SCHEMA_CHARS}`);
  const validate = bounded(() => compileDialect(schema));
  return (value) => {
    if (bounded(() => validate(value)) === true) return null;
    const [error] = validate.errors ?? [];
    return `${error?.instancePath || 'the answer'} ${error?.message ?? 'does not fit the schema'}`;
  };
}

function compileDialect({ $schema: dialect, ...schema }: Record<string, unknown>): ValidateFunction {
  // Its validator would answer with a promise, whose rejection nobody waits for.
  if ('$async' in schema) throw invalidSchema('it has "$async"');
  if (dialect === undefined) {
    try {
      return compileWith(Ajv2020, schema);
    } catch (error) {
      // `items: [...]`, say, is right in draft-07 and wrong since. Where neither takes it, the first error is told.
      try {
        return compileWith(Ajv, schema);
      } catch {
        throw error;
      }
    }
  }
  const [, draft] =
    /^https?:\/\/json-schema\.org\/(draft-07|draft\/2020-12)\/schema#?$/.exec(String(dialect)) ?? [];
  if (draft === undefined) throw invalidSchema('its "$schema" is neither draft 2020-12 nor draft-07');
  return compileWith(draft === 'draft-07' ? Ajv : Ajv2020, schema);
}

function compileWith(
  Dialect: typeof Ajv | typeof Ajv2020,
  schema: Record<string, unknown>,
): ValidateFunction {
  // A new one each time: schemas with one `$id` in two tasks have nothing to do with each other.
  const ajv = new Dialect(AJV_OPTIONS);
  addFormats.default(ajv);
  return ajv.compile(schema);
}

/**
 * Runs a schema's work against the clock. A schema is a small program of its author: a `pattern` like `^(a+)+$` takes for
 * ever on an answer that nearly fits, and would stop the agent. V8 ends the work, regular expressions included, where the
 * time given to `node:vm` is over; the context itself is not what protects here.
 */
function bounded<T>(work: () => T): T {
  try {
    return runInNewContext('work()', { work }, { timeout: MAX_SCHEMA_WORK_MS }) as T;
  } catch (error) {
    if (error instanceof BackendError) throw error;
    const timedOut = (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    throw invalidSchema(timedOut ? `it needs more than ${MAX_SCHEMA_WORK_MS} ms to check` : errorText(error));
  }
}

function invalidSchema(text: string): BackendError {
  return new BackendError('invalid_schema', complaint(`the JSON Schema in "format" cannot be used: ${text}`));
}

function complaint(text: string): string {
  return excerpt(oneLine(text), MAX_COMPLAINT_CHARS);
}

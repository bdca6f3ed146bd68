// @ts-check
/**
 * The thread in which a JSON Schema is compiled and used. A schema is a small program of whoever asks, and
 * may take all the time and memory there is: here it has limits of its own, and run-schema.ts ends it.
 * JavaScript, because Node loads the file of a thread as it is, also in the tests. An agent of an older
 * version that has run for weeks may start this file by its name, so its messages keep their form.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** @import { SchemaJob, SchemaWorkerData, SchemaWorkerMessage } from './run-schema.js' */

/** The longest text that goes out; it becomes a part of one line. */
const MAX_TEXT_CHARS = 2000;

/**
 * Options for schemas that strangers write. `allErrors` and `inlineRefs` are off, because both let a small
 * schema grow large. With `ownProperties` not every object has a `constructor` for `required`. Nothing is
 * logged, nothing changes the data, and without `loadSchema` no remote `$ref` is ever fetched.
 *
 * @type {import('ajv').Options}
 */
const AJV_OPTIONS = {
  strict: false,
  allErrors: false,
  inlineRefs: false,
  ownProperties: true,
  logger: false,
};

/** @param {SchemaWorkerMessage} message */
const say = (message) => parentPort?.postMessage(message);

/** @type {SchemaWorkerData} */
const { schema: text } = workerData;
/** @type {Record<string, unknown>} */
const { $schema: dialect, ...schema } = JSON.parse(text);
const draft = draftOf(dialect);
const ajv = openAjv(draft === 'draft-07' ? Ajv : Ajv2020);
/** @type {import('ajv').ValidateFunction | null} */
let compiled = null;

parentPort?.on('message', (/** @type {SchemaJob} */ { value }) => {
  try {
    compiled ??= compile();
    say({ fault: value === null ? null : faultOf(compiled, JSON.parse(value)) });
  } catch (error) {
    say({ unusable: textOf(error instanceof Error ? error.message : error) });
  }
});
// What came before takes the same time for every schema: loading this file, and compiling the meta-schema.
say({ ready: true });

/** @param {unknown} dialect */
function draftOf(dialect) {
  return dialect === undefined
    ? 'any'
    : /^https?:\/\/json-schema\.org\/(draft-07|draft\/2020-12)\/schema#?$/.exec(String(dialect))?.[1];
}

/** @param {typeof Ajv | typeof Ajv2020} Dialect */
function openAjv(Dialect) {
  const opened = new Dialect(AJV_OPTIONS);
  addFormats.default(opened);
  opened.compile({});
  return opened;
}

/** 2020-12, or draft-07 where `$schema` says so; without `$schema` whichever of the two compiles first. */
function compile() {
  // The validator would return a promise, whose rejection nobody would handle.
  if ('$async' in schema) throw new Error('it has "$async"');
  if (draft === undefined) throw new Error('its "$schema" is neither draft 2020-12 nor draft-07');
  try {
    return ajv.compile(schema);
  } catch (error) {
    if (draft !== 'any') throw error;
    // `items: [...]`, for example, is right in draft-07 and wrong since. Where neither takes the schema, the
    // first error is thrown.
    try {
      return openAjv(Ajv).compile(schema);
    } catch {
      throw error;
    }
  }
}

/**
 * @param {import('ajv').ValidateFunction} fits
 * @param {unknown} value
 */
function faultOf(fits, value) {
  if (fits(value) === true) return null;
  const [error] = fits.errors ?? [];
  return `${textOf(error?.instancePath || 'the answer')} ${textOf(error?.message ?? 'does not fit the schema')}`;
}

/** @param {unknown} value */
function textOf(value) {
  return String(value).slice(0, MAX_TEXT_CHARS);
}

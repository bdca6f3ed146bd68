import { errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import type { TaskFormat } from '../../protocol/task.js';
import { excerpt } from '../../protocol/text.js';
import { unwrapJson } from '../backends/finish-generation.js';
import { invalidSchema, runSchema } from './run-schema.js';

/**
 * What checking an answer ends as: its JSON text, freed of any fence, or what is wrong with it, in one line.
 */
export type FormatCheck =
  | { readonly ok: true; readonly json: string }
  | { readonly ok: false; readonly complaint: string };

/**
 * The longest schema that is compiled, in characters of JSON: schemas of real programs stay under a third of
 * it.
 */
const MAX_SCHEMA_CHARS = 100_000;

const MAX_COMPLAINT_CHARS = 500;

/** The check for the format of one task. */
export interface FormatChecker {
  /**
   * Rejects with BackendError `invalid_schema` where the schema cannot be carried out, within bounds of time
   * and memory.
   */
  check(answer: string): Promise<FormatCheck>;
  /** Lets go of what the check needs. Has to be called. */
  close(): Promise<void>;
}

/**
 * Opens the check for a task's format: any JSON for `"json"`, else JSON that fits the schema (2020-12, or
 * draft-07 where `$schema` says so; without `$schema` whichever of the two compiles first). Rejects with
 * BackendError `invalid_schema` where the schema does not compile, and with the signal's reason once that is
 * aborted. `maxAnswerBytes` is the longest answer there can be.
 */
export async function openFormat(
  format: TaskFormat,
  maxAnswerBytes: number,
  signal: AbortSignal,
): Promise<FormatChecker> {
  const running = format === 'json' ? null : await runSchema(schemaText(format), maxAnswerBytes, signal);
  return {
    async check(answer) {
      const json = unwrapJson(answer);
      try {
        JSON.parse(json);
      } catch (error) {
        return { ok: false, complaint: complaint(`it is not JSON: ${errorText(error)}`) };
      }
      const fault = running === null ? null : await running.faultOf(json);
      return fault === null ? { ok: true, json } : { ok: false, complaint: complaint(fault) };
    },
    close: async () => running?.close(),
  };
}

function schemaText(format: Record<string, unknown>): string {
  const schema = JSON.stringify(format);
  if (schema.length <= MAX_SCHEMA_CHARS) return schema;
  throw invalidSchema(`it has ${schema.length} characters; the limit is ${MAX_SCHEMA_CHARS}`);
}

function complaint(text: string): string {
  return excerpt(oneLine(text), MAX_COMPLAINT_CHARS);
}

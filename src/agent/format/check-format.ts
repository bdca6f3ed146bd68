import type { Usage } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import type { ChatMessage, TaskFormat } from '../../protocol/task.js';
import { excerpt } from '../../protocol/text.js';
import { BackendError, type GenerateRequest, type Generation } from '../backends/backend.js';
import { unwrapJson } from '../backends/finish-generation.js';
import { invalidSchema, runSchema } from './run-schema.js';

/**
 * The result of checking an answer: its JSON text without a Markdown fence, or what is wrong with it, in one
 * line.
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
  /** Ends the thread of the check, if it has one. Has to be called. */
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

/** How much of an answer that does not fit is shown to the model again. Characters. */
const MAX_QUOTED_CHARS = 20_000;

/**
 * Generates an answer that passes `check`, and returns it as its bare JSON. An answer that does not fit is
 * generated once more, with it and the complaint at the end of the conversation; `usage` counts both. An
 * answer that was cut off at its length limit is not tried again: the same limit would cut it again. Throws
 * BackendError `invalid_format`.
 */
export async function generateFitting(
  request: GenerateRequest,
  check: (answer: string) => Promise<FormatCheck>,
  generate: (request: GenerateRequest) => Promise<Generation>,
): Promise<Generation> {
  const first = await generate(request);
  const checked = await check(first.answer);
  if (checked.ok) return { ...first, answer: checked.json };
  if (first.finishReason === 'length') {
    const text = `the answer was cut off at its length limit; raise max_tokens (${checked.complaint})`;
    throw new BackendError('invalid_format', text);
  }
  const messages = [...request.messages, ...correction(first.answer, checked.complaint)];
  const second = await generate({ ...request, messages });
  const again = await check(second.answer);
  const usage = addUsage(first.usage, second.usage);
  if (again.ok) return { ...second, answer: again.json, ...(usage === undefined ? {} : { usage }) };
  throw new BackendError('invalid_format', `the answer does not fit the format, twice: ${again.complaint}`);
}

function correction(answer: string, complaint: string): ChatMessage[] {
  return [
    { role: 'assistant', content: excerpt(answer, MAX_QUOTED_CHARS) },
    {
      role: 'user',
      content: `That answer does not fit the required format: ${complaint}. Answer again, with the corrected JSON and nothing else.`,
    },
  ];
}

function addUsage(first: Usage | undefined, second: Usage | undefined): Usage | undefined {
  if (first === undefined || second === undefined) return second ?? first;
  const sum = (name: keyof Usage) => (first[name] ?? 0) + (second[name] ?? 0);
  return { prompt_tokens: sum('prompt_tokens'), completion_tokens: sum('completion_tokens') };
}

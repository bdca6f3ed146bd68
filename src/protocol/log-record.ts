import * as z from 'zod';
import { type Answer, answerSchema } from './answer.js';
import { commitIdSchema } from './names.js';
import { responseSchema } from './request.js';
import { escapeJsonText } from './strict-json.js';
import { instantSchema, metadataSchema, readTask } from './task.js';
import { textSchema } from './text.js';

/**
 * One line of `answers.log`: its position in history, who asked and when, the answer, and when the server
 * added it to the log.
 */
export const logRecordSchema = z.looseObject({
  seq: z.int().min(1),
  commit: commitIdSchema,
  asker: textSchema.nullable(),
  asked_at: instantSchema.nullable(),
  metadata: metadataSchema.optional(),
  ...answerSchema.shape,
  /** The body of a response is in history alone. */
  response: responseSchema.pick({ status: true }).optional(),
  ingested_at: instantSchema,
});
export type LogRecord = z.infer<typeof logRecordSchema>;

/** What a record says of the task that it answers. */
export type RecordTask = Pick<LogRecord, 'asker' | 'asked_at' | 'metadata'>;

/** Of an answer without its task. The hooks let none in; only a history made without them has one. */
export const NO_TASK: RecordTask = { asker: null, asked_at: null };

/** The end of the year 9999. Only the owner, past the hooks, can date a commit later. */
const LAST_INSTANT_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * What a record says of a task: the author and the date of its commit, and the `metadata` of a `task.json`,
 * given by its bytes. A file that is no task has none.
 */
export function recordTask(
  commit: { readonly author: string; readonly committedAtMs: number },
  taskJson: Uint8Array | null,
): RecordTask {
  const metadata = taskJson === null ? undefined : metadataOf(taskJson);
  return {
    asker: commit.author,
    asked_at: commit.committedAtMs <= LAST_INSTANT_MS ? new Date(commit.committedAtMs).toISOString() : null,
    ...(metadata === undefined ? {} : { metadata }),
  };
}

function metadataOf(bytes: Uint8Array): RecordTask['metadata'] {
  // Most tasks have none, and a rebuild reads them all. An escape may spell the name in another way.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!text.includes('metadata') && !text.includes('\\u')) return undefined;
  // The hook checked the size when the task came in. A limit that was lowered since changes no record.
  const read = readTask('task.json', bytes, Number.POSITIVE_INFINITY);
  return read.ok ? read.value.metadata : undefined;
}

/** An answer as a record has it: of a response the status alone, because its body is in history. */
export type LoggedAnswer = Omit<Answer, 'response'> & Pick<LogRecord, 'response'>;

/** What a record says of an answer. */
export function toLog(answer: Answer): LoggedAnswer {
  const { response } = answer;
  return response === undefined ? answer : { ...answer, response: { status: response.status } };
}

/** The fields that a record adds to its task and its answer. */
export interface LogPosition {
  /** 1 for the first answer in history, 2 for the next, and so on. */
  readonly seq: number;
  /** The commit that brought the answer. */
  readonly commit: string;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly ingestedAtMs: number;
}

/**
 * The line of `answers.log` for an answer, with its newline. A record is always one line, whatever the model
 * wrote.
 */
export function formatLogLine(answer: Answer, task: RecordTask, position: LogPosition): string {
  const { seq, commit, ingestedAtMs } = position;
  const { asker, asked_at, metadata } = task;
  const head = JSON.stringify({ seq, commit, asker, asked_at });
  const middle = metadata === undefined ? '' : `,"metadata":${sortedJson(metadata)}`;
  const tail = JSON.stringify({ ...toLog(answer), ingested_at: new Date(ingestedAtMs).toISOString() });
  return `${escapeJsonText(`${head.slice(0, -1)}${middle},${tail.slice(1)}`)}\n`;
}

/**
 * JSON with the keys in the order of their code points, so that it does not depend on the language: objects
 * of JavaScript put keys like "7" first, whatever the file says.
 */
function sortedJson(object: Readonly<Record<string, string>>): string {
  // UTF-8 has the order of code points; UTF-16, in which strings are compared, has not.
  const entries = Object.entries(object).map(([key, value]) => ({ key, bytes: Buffer.from(key), value }));
  entries.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  return `{${entries.map(({ key, value }) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
}

/** Reads a line of `answers.log` by a schema: of a whole record, or of the fields that are needed. */
export function parseLogLine<T>(schema: z.ZodType<T>, line: string): T | null {
  try {
    return schema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

import * as z from 'zod';
import { type Answer, answerSchema } from './answer.js';
import { commitIdSchema } from './names.js';
import { stringifyEscaped } from './strict-json.js';
import { instantSchema } from './task.js';

/**
 * One line of `answers.log`: the answer, its position in history, and when the server added it to the log.
 */
export const logRecordSchema = z.looseObject({
  ...answerSchema.shape,
  seq: z.int().min(1),
  commit: commitIdSchema,
  ingested_at: instantSchema,
});
export type LogRecord = z.infer<typeof logRecordSchema>;

/** The fields that a record adds to its answer. */
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
export function formatLogLine(answer: Answer, position: LogPosition): string {
  const record = {
    seq: position.seq,
    commit: position.commit,
    ...answer,
    ingested_at: new Date(position.ingestedAtMs).toISOString(),
  };
  return `${stringifyEscaped(record)}\n`;
}

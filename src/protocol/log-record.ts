import * as z from 'zod';
import { type Answer, answerSchema } from './answer.js';
import { commitIdSchema } from './names.js';
import { stringifyEscaped } from './strict-json.js';
import { instantSchema } from './task.js';

/** One line of `answers.log`: the answer, where it stands in the order of history, and when the server took it in. */
export const logRecordSchema = z.looseObject({
  ...answerSchema.shape,
  seq: z.int().min(1),
  commit: commitIdSchema,
  ingested_at: instantSchema,
});
export type LogRecord = z.infer<typeof logRecordSchema>;

/** What a record adds to its answer. */
export interface LogPosition {
  /** 1 for the first answer of the history, then counting. */
  readonly seq: number;
  /** The commit that brought the answer. */
  readonly commit: string;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly ingestedAtMs: number;
}

/** The line of `answers.log` for an answer, its newline included. One record is one line, whatever the model said. */
export function formatLogLine(answer: Answer, position: LogPosition): string {
  const record = {
    seq: position.seq,
    commit: position.commit,
    ...answer,
    ingested_at: new Date(position.ingestedAtMs).toISOString(),
  };
  return `${stringifyEscaped(record)}\n`;
}

import * as z from 'zod';
import { readStrictJson } from '../../protocol/strict-json.js';
import { BATCH_ENDPOINTS } from './batch-lines.js';

/**
 * What a batch is, besides its requests. It stands in the metadata of its first task, so that history alone
 * tells it.
 */
export const batchHeadSchema = z.strictObject({
  endpoint: z.enum(BATCH_ENDPOINTS),
  /** A name for a person; the file itself need not be there any more. */
  input_file_id: z.string().max(256),
  completion_window: z.string().regex(/^[1-9]\d{0,3}h$/, 'must be hours: 24h'),
  /** How many requests it has. */
  total: z.int().min(1),
  /** Seconds since the epoch. */
  created_at: z.int().min(0),
  metadata: z.record(z.string(), z.string()).nullable(),
});
export type BatchHead = z.infer<typeof batchHeadSchema>;

/**
 * The reasons of the cancels of a batch. They are read back from the record: old ones must stay the same.
 */
export const CANCELLED = 'its batch was cancelled';
export const EXPIRED = 'its batch has expired';

/** What the tasks of a batch have in their metadata. */
export interface BatchMark {
  readonly id: string;
  readonly customId: string;
  /** From 1 on, as in the file. */
  readonly line: number;
  /** Of the first task alone. */
  readonly head: BatchHead | null;
  /** The same: the `Idempotency-Key` that the batch was made with, where it had one. */
  readonly key?: string | undefined;
}

/** The metadata of a task of a batch. */
export function markOf({ id, customId, line, head, key }: BatchMark): Record<string, string> {
  return {
    ...{ batch: id, custom_id: customId, batch_line: String(line) },
    ...(head === null ? {} : { batch_head: JSON.stringify(head) }),
    ...(head === null || key === undefined ? {} : { idempotency_key: key }),
  };
}

/** Reads the mark from the metadata of a task; null for one that is of no batch. */
export function readMark(metadata: Readonly<Record<string, string>>): BatchMark | null {
  const { batch: id, custom_id: customId, batch_line: line, batch_head: said } = metadata;
  if (id === undefined || customId === undefined || line === undefined) return null;
  if (!isBatchId(id) || !/^[1-9]\d{0,8}$/.test(line)) return null;
  if (said === undefined) return { id, customId, line: Number(line), head: null };
  const read = readStrictJson(Buffer.from(said), batchHeadSchema);
  const key = metadata.idempotency_key;
  return { id, customId, line: Number(line), head: read.ok ? read.value : null, key };
}

/** Whether a text is the id of a batch: `batch_` and 24 hex digits. */
export function isBatchId(text: string): boolean {
  return /^batch_[0-9a-f]{24}$/.test(text);
}

/** When the requests that are still open are given up. Milliseconds since the epoch. */
export function expiresAtMs({ created_at, completion_window }: BatchHead): number {
  return (created_at + Number.parseInt(completion_window, 10) * 3600) * 1000;
}

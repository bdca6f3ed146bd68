import { isDeepStrictEqual } from 'node:util';
import { keyReused } from '../task-errors.js';
import type { BatchHead } from './batch-head.js';
import type { KnownBatch } from './batch-index.js';
import type { BatchJournal } from './batch-journals.js';

/** What a client asks of a batch. */
export type BatchBody = Pick<BatchHead, 'endpoint' | 'completion_window' | 'input_file_id' | 'metadata'>;

/** A batch that was made with an `Idempotency-Key`. */
export interface KeyedBatch {
  readonly id: string;
  readonly head: BatchBody;
  readonly localOnly: boolean;
}

/**
 * Finds the batch of a token that was made with a key, in its journal or in history; null where none was.
 */
export function batchWithKey(
  batches: readonly (BatchJournal | KnownBatch)[],
  { key, token }: { readonly key: string; readonly token: string | null },
): KeyedBatch | null {
  const found = batches.find((one) => one.key === key && one.token === token);
  if (found === undefined) return null;
  const localOnly = 'localOnly' in found ? found.localOnly : found.local_only === true;
  return { id: found.id, head: found.head, localOnly };
}

/** Throws ApiError 422 where the key was used for another batch than this one. */
export function requireSame(made: KeyedBatch, body: BatchBody, localOnly: boolean): void {
  const fieldsOf = ({ endpoint, completion_window, input_file_id, metadata }: BatchBody) => [
    endpoint,
    completion_window,
    input_file_id,
    metadata,
  ];
  if (made.localOnly !== localOnly || !isDeepStrictEqual(fieldsOf(made.head), fieldsOf(body)))
    throw keyReused();
}

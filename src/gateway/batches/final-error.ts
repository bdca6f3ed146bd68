import { BridgeError } from '../../protocol/bridge-error.js';
import { ApiError } from '../api-errors.js';
import type { LineError } from './batch-lines.js';

/** A refusal of the bridge, or a file that is gone: it would be the same again. */
export function isFinal(error: unknown): error is Error & { readonly code?: string | null } {
  if (error instanceof ApiError) return error.status < 500 || error.status === 502;
  if (error instanceof BridgeError) return !error.retryable;
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** What a batch fails with whose file is gone. Throws the error where it may be well the next time. */
export function fileGone(error: unknown): { readonly total: number; readonly errors: LineError[] } {
  if (!isFinal(error)) throw error;
  const message = 'the file of the batch is gone';
  return { total: 0, errors: [{ code: 'file_not_found', message, param: 'input_file_id', line: null }] };
}

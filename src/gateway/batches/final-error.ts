import { BridgeError } from '../../protocol/bridge-error.js';
import { ApiError } from '../api-errors.js';
import type { LineError } from './batch-lines.js';

/** Whether an error would come again the next time: a refusal of the bridge, or a file that is gone. */
export function isFinal(error: unknown): error is Error & { readonly code?: string | null } {
  if (error instanceof ApiError) return error.status < 500 || error.status === 502;
  if (error instanceof BridgeError) return !error.retryable;
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The fault of a batch whose file is gone. Throws the error where the next try may succeed. */
export function fileGone(error: unknown): { readonly total: number; readonly errors: LineError[] } {
  if (!isFinal(error)) throw error;
  const message = 'the file of the batch is gone';
  return { total: 0, errors: [{ code: 'file_not_found', message, param: 'input_file_id', line: null }] };
}

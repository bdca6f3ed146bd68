import { ApiError } from './api-errors.js';

/** The header by which a client forbids that a third party reads its call. */
export const LOCAL_ONLY_HEADER = 'x-llm-bridge-local-only';

/**
 * Whether a call may be read by no third party. Throws ApiError 400 for any other word: what was meant to
 * forbid something must not be passed over.
 */
export function readLocalOnly(header: string | null | undefined): boolean {
  const word = (header ?? 'false').trim().toLowerCase();
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw new ApiError(`${LOCAL_ONLY_HEADER} must be true or false`, {
    ...{ status: 400, param: LOCAL_ONLY_HEADER, code: 'invalid_value' },
  });
}

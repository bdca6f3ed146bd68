/** The codes of a connection that never came to be: node's `connect` and `getaddrinfo`. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'ECONNABORTED',
]);

/**
 * The code of a connection that could not be made, or null where the error is another. Looks along `cause`,
 * for the SDKs wrap what they are told, and into the errors of an AggregateError, which is what several
 * addresses fail with. A code with a `syscall` other than connecting is a connection that was made and then
 * lost: null.
 */
export function connectionFailureCode(error: unknown): string | null {
  for (let depth = 0, at: unknown = error; depth < 8 && at instanceof Error; depth++, at = at.cause) {
    if (at instanceof AggregateError && at.errors.length > 0) {
      const codes = at.errors.map(connectionFailureCode);
      return codes.includes(null) ? null : (codes[0] ?? null);
    }
    const { code, syscall } = at as NodeJS.ErrnoException;
    if (code !== undefined && CONNECTION_CODES.has(code)) {
      return syscall === undefined || syscall === 'connect' || syscall === 'getaddrinfo' ? code : null;
    }
  }
  return null;
}

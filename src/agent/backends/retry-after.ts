/** `Thu, 26 Nov 2026 17:30:00 GMT`, and the two older forms (RFC 9110, section 5.6.7): a day goes first. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? [\w: -]{10,30}$/;

/**
 * How long a `Retry-After` asks to wait, in milliseconds from `nowMs` on: whole seconds, or an HTTP date, of
 * which one in the past is 0. Null where there is none, or what it says is neither. It is not bounded: who
 * waits has a limit of its own.
 */
export function readRetryAfter(value: string | null, nowMs: number): number | null {
  const text = value?.trim() ?? '';
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1000;
  if (!HTTP_DATE.test(text)) return null;
  // The oldest form names no zone, and means this one.
  const atMs = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/**
 * Reads a duration as the settings write it: a whole number of seconds, or a number with a unit (`90s`,
 * `15m`, `12h`, `7d`, `2w`). Returns milliseconds, or null where the text is not a duration.
 */
export function parseDurationMs(text: string): number | null {
  const match = /^([0-9]{1,9})([smhdw]?)$/.exec(text.trim());
  if (match === null) return null;
  const [, digits = '', unit = ''] = match;
  const amount = Number(digits);
  return amount * UNIT_MS[(unit === '' ? 's' : unit) as keyof typeof UNIT_MS];
}

/** The longest delay of Node's timers, in milliseconds: 24.8 days. With a longer one they end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * An age that a person reads: as `formatDuration`, and `under 1 s`, because commits have whole seconds and a
 * `0 ms` between two of them was never measured.
 */
export function formatAge(ms: number): string {
  return ms < 1000 ? 'under 1 s' : formatDuration(ms);
}

/** A duration as a person reads it: `812 ms`, `12 s`, `5 min`, `3 h`, `7 d`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 2 * UNIT_MS.m) return `${Math.round(ms / 1000)} s`;
  if (ms < 2 * UNIT_MS.h) return `${Math.round(ms / UNIT_MS.m)} min`;
  if (ms < 2 * UNIT_MS.d) return `${Math.round(ms / UNIT_MS.h)} h`;
  return `${Math.round(ms / UNIT_MS.d)} d`;
}

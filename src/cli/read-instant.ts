const UNITS_MS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
};
const SHORT_UNITS: Readonly<Record<string, string>> = {
  s: 'second',
  m: 'minute',
  h: 'hour',
  d: 'day',
  w: 'week',
};

/** The forms, for a person who typed another one. */
export const INSTANT_FORMS = '2026-11-27, 2026-11-27T09:30, "2 days ago", 12h, yesterday or today';

/** A day alone: all of it is meant. */
const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,3})?)?[ ]?(Z|[+-]\d{2}:?\d{2})?$/i;
const AGO = /^(\d{1,6})[ .]?(second|minute|hour|day|week|month|year)s?[ .]ago$/;
const SHORT = /^(\d{1,6})([smhdw])$/;

/**
 * Reads a point in time as users of git type it: a day, a time (in the zone of this machine where it names
 * none), a while ago. `isEnd`: a day means its end. Milliseconds since the epoch; null for anything else.
 */
export function readInstant(text: string, now: Date, isEnd = false): number | null {
  const typed = text.trim();
  const words = typed.toLowerCase();
  if (words === 'now') return now.getTime();
  if (words === 'today' || words === 'yesterday') {
    const day = now.getDate() - (words === 'today' ? 0 : 1);
    return startOfDay(now.getFullYear(), now.getMonth(), day + (isEnd ? 1 : 0));
  }
  const [, year, month, day] = DAY.exec(typed)?.map(Number) ?? [];
  if (year !== undefined && month !== undefined && day !== undefined)
    return isDay(year, month, day) ? startOfDay(year, month - 1, day + (isEnd ? 1 : 0)) : null;
  const [, date, time, seconds = ':00', zone = ''] = TIME.exec(typed) ?? [];
  if (date !== undefined && readInstant(date, now) !== null) {
    const at = Date.parse(
      `${date}T${time}${seconds}${zone.toUpperCase().replace(/^([+-]\d{2})(\d{2})$/, '$1:$2')}`,
    );
    return Number.isNaN(at) ? null : at;
  }
  const [, count, unit] = AGO.exec(words) ?? SHORT.exec(words) ?? [];
  return count === undefined || unit === undefined ? null : ago(now, Number(count), unit);
}

function ago(now: Date, count: number, unit: string): number {
  const unitMs = UNITS_MS[SHORT_UNITS[unit] ?? unit];
  if (unitMs !== undefined) return now.getTime() - count * unitMs;
  const then = new Date(now);
  if (unit === 'month') then.setMonth(then.getMonth() - count);
  else then.setFullYear(then.getFullYear() - count);
  return then.getTime();
}

/** In the zone of this machine; a day past the end of a month is one of the next. */
function startOfDay(year: number, month: number, day: number): number {
  return new Date(year, month, day).getTime();
}

function isDay(year: number, month: number, day: number): boolean {
  const at = new Date(year, month - 1, day);
  return at.getMonth() === month - 1 && at.getDate() === day;
}

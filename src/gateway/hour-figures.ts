import { type AnswerFigures, AnswerTally, type CountedRecord } from '../log/answer-stats.js';

/** What happened in one hour. */
export interface HourFigures extends AnswerFigures {
  /** When the hour began, in seconds since the epoch. */
  readonly at: number;
}

const HOUR_MS = 3_600_000;

/** The figures of each hour in which something was answered, and of the empty ones between them. */
export function hourFigures(records: readonly CountedRecord[]): HourFigures[] {
  const hours = new Map<number, AnswerTally>();
  for (const record of records) {
    const hour = Math.floor(Date.parse(record.created_at) / HOUR_MS);
    const tally = hours.get(hour) ?? new AnswerTally();
    hours.set(hour, tally);
    tally.add(record);
  }
  if (hours.size === 0) return [];
  const known = [...hours.keys()];
  const last = Math.max(...known);
  // A task of last year makes no chart of a year.
  const first = Math.max(Math.min(...known), last - MAX_HOURS);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const hour = first + index;
    return { at: (hour * HOUR_MS) / 1000, ...(hours.get(hour) ?? new AnswerTally()).figures };
  });
}

/** Four weeks. */
const MAX_HOURS = 24 * 28;

import type { HistoryRecord } from '../log/read-answers.js';

/** What happened in one hour. */
export interface HourFigures {
  /** When the hour began, in seconds since the epoch. */
  readonly at: number;
  /** Answers, errors included. */
  readonly answers: number;
  readonly errors: number;
  /** From the question to the answer, mean, in seconds; null where nothing was answered. */
  readonly wait_s: number | null;
  /** From the start of the task to the answer, mean, in seconds. */
  readonly generate_s: number | null;
  /** During generation, as far as the model server counted. */
  readonly tokens_per_s: number | null;
}

const HOUR_MS = 3_600_000;

/** The figures of each hour in which something was answered, and of the empty ones between them. */
export function hourFigures(
  records: readonly Pick<HistoryRecord, 'created_at' | 'asked_at' | 'latency_ms' | 'error' | 'usage'>[],
): HourFigures[] {
  const hours = new Map<number, (typeof records)[number][]>();
  for (const record of records) {
    const hour = Math.floor(Date.parse(record.created_at) / HOUR_MS);
    const before = hours.get(hour);
    if (before === undefined) hours.set(hour, [record]);
    else before.push(record);
  }
  if (hours.size === 0) return [];
  const known = [...hours.keys()];
  const last = Math.max(...known);
  // A task of last year makes no chart of a year.
  const first = Math.max(Math.min(...known), last - MAX_HOURS);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const hour = first + index;
    return figuresOf(hour, hours.get(hour) ?? []);
  });
}

/** Four weeks. */
const MAX_HOURS = 24 * 28;

function figuresOf(hour: number, records: Parameters<typeof hourFigures>[0]): HourFigures {
  const waits = records.flatMap(({ asked_at, created_at }) =>
    asked_at === null ? [] : [Math.max(0, Date.parse(created_at) - Date.parse(asked_at))],
  );
  const generated = records.filter(({ error }) => error === null);
  const counted = generated.filter(({ usage }) => usage?.completion_tokens !== undefined);
  const tokens = counted.reduce((sum, { usage }) => sum + (usage?.completion_tokens ?? 0), 0);
  const ms = counted.reduce((sum, { latency_ms }) => sum + latency_ms, 0);
  return {
    at: (hour * HOUR_MS) / 1000,
    answers: records.length,
    errors: records.length - generated.length,
    wait_s: mean(waits),
    generate_s: mean(generated.map(({ latency_ms }) => latency_ms)),
    tokens_per_s: ms === 0 ? null : round((tokens / ms) * 1000),
  };
}

/** The mean of milliseconds, in seconds. */
function mean(ms: readonly number[]): number | null {
  return ms.length === 0 ? null : round(ms.reduce((sum, one) => sum + one, 0) / ms.length / 1000);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

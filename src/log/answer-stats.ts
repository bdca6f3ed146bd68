import type { LogRecord } from '../protocol/log-record.js';

/** What the figures are made of: fields of a record. */
export type CountedRecord = Pick<
  LogRecord,
  'created_at' | 'asked_at' | 'latency_ms' | 'error' | 'usage' | 'cached'
>;

/** What happened, in figures. Means are in seconds; null where there is nothing to take a mean of. */
export interface AnswerFigures {
  /** Answers, errors included. */
  readonly answers: number;
  readonly errors: number;
  /** The tokens of good answers that were not copied, as far as model servers counted them. */
  readonly tokens: number;
  /** From the question to the answer, mean. */
  readonly wait_s: number | null;
  /** From the start of the task to the answer, mean, of good answers that were not copied. */
  readonly generate_s: number | null;
  /** From the start of the task to the answer, of the same answers, as far as their tokens were counted. */
  readonly tokens_per_s: number | null;
}

/** Adds records up. It keeps only sums, however many records there are. */
export class AnswerTally {
  #answers = 0;
  #errors = 0;
  #tokens = 0;
  readonly #wait = { ms: 0, count: 0 };
  readonly #generate = { ms: 0, count: 0 };
  /** Of the answers whose tokens were counted. */
  #countedMs = 0;

  add({ created_at, asked_at, latency_ms, error, usage, cached }: CountedRecord): void {
    this.#answers += 1;
    if (asked_at !== null) {
      this.#wait.ms += Math.max(0, Date.parse(created_at) - Date.parse(asked_at));
      this.#wait.count += 1;
    }
    if (error !== null) this.#errors += 1;
    if (error !== null || cached === true) return;
    this.#generate.ms += latency_ms;
    this.#generate.count += 1;
    if (usage?.completion_tokens === undefined) return;
    this.#tokens += usage.completion_tokens;
    this.#countedMs += latency_ms;
  }

  get figures(): AnswerFigures {
    const countedMs = this.#countedMs;
    return {
      answers: this.#answers,
      errors: this.#errors,
      tokens: this.#tokens,
      wait_s: mean(this.#wait),
      generate_s: mean(this.#generate),
      tokens_per_s: countedMs === 0 ? null : round((this.#tokens / countedMs) * 1000),
    };
  }
}

/** The fields by which the figures are split. */
export const STATS_KEYS = ['model', 'asker', 'agent', 'day'] as const;
export type StatsKey = (typeof STATS_KEYS)[number];

/** The figures of one model, asker, agent or day; the name is null where a record has none. */
export interface StatsRow extends AnswerFigures {
  readonly name: string | null;
}

/**
 * All figures; the JSON form is a contract. Models, askers and agents with most answers come first, days in
 * order.
 */
export interface AnswerStats extends AnswerFigures {
  readonly by: Readonly<Record<StatsKey, readonly StatsRow[]>>;
}

/**
 * More names than this are counted together, under OTHERS. Names come from outside, and must not fill the
 * memory.
 */
const MAX_NAMES = 5_000;
export const OTHERS = '(others)';

/**
 * The figures of records, by model, asker, agent and day. `dayOf` tells the day of a time, `2026-11-27`,
 * which depends on the time zone. Reads records one at a time.
 */
export async function answerStats(
  records: AsyncIterable<StatsRecord> | Iterable<StatsRecord>,
  dayOf: (iso: string) => string,
): Promise<AnswerStats> {
  const all = new AnswerTally();
  const tallies = STATS_KEYS.map((key) => ({ key, rows: new Map<string | null, AnswerTally>() }));
  for await (const record of records) {
    all.add(record);
    const { model, asker, agent, created_at } = record;
    const names = { model, asker, agent, day: dayOf(created_at) };
    for (const { key, rows } of tallies) {
      const name = rows.size < MAX_NAMES || rows.has(names[key]) ? names[key] : OTHERS;
      const tally = rows.get(name) ?? new AnswerTally();
      rows.set(name, tally);
      tally.add(record);
    }
  }
  const by = Object.fromEntries(
    tallies.map(({ key, rows }) => {
      const list = [...rows].map(([name, tally]): StatsRow => ({ name, ...tally.figures }));
      return [key, key === 'day' ? list.sort(byName) : list.sort(byAnswers)];
    }),
  ) as Record<StatsKey, StatsRow[]>;
  return { ...all.figures, by };
}

/** A record as it is counted. */
export type StatsRecord = CountedRecord & Pick<LogRecord, 'model' | 'asker' | 'agent'>;

function byAnswers(a: StatsRow, b: StatsRow): number {
  return b.answers - a.answers || byName(a, b);
}

function byName(a: StatsRow, b: StatsRow): number {
  return (a.name ?? '') < (b.name ?? '') ? -1 : 1;
}

function mean({ ms, count }: { readonly ms: number; readonly count: number }): number | null {
  return count === 0 ? null : round(ms / count / 1000);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

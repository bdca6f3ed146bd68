import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { type Answer, readKeptAnswer } from '../protocol/answer.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';

/** The period of the figures. */
export const RECENT_MS = 24 * 60 * 60_000;

/**
 * The newest answers that are read, at most. More would make `status` slow on a busy bridge; these take some
 * tenths of a second.
 */
const MAX_ANSWERS = 1000;

/** The median, and the value that 95 of 100 do not exceed. Milliseconds. */
export interface Spread {
  readonly median: number;
  readonly p95: number;
}

/** The figures of a bridge for the last day; of its newest thousand answers where there were more. */
export interface RecentFigures {
  readonly hours: number;
  /** Answers, errors included. */
  readonly answered: number;
  /** Without cancelled tasks. */
  readonly errors: number;
  /** 0 to 1; null where nothing was answered. */
  readonly error_rate: number | null;
  /**
   * From the question on main to the answer on main, in whole seconds as commits have them; where that is
   * less than the answer itself took, what it took.
   */
  readonly wait_ms: Spread | null;
  /**
   * From the start of a task to the finished answer. Without errors, and without answers copied from an
   * equal task.
   */
  readonly generate_ms: Spread | null;
  /** Tokens of the same answers for each second of that time, where their model server counted them. */
  readonly tokens_per_s: number | null;
}

/** Computes the figures from a part of history that reaches back for a day at least. */
export async function recentFigures(
  repo: Repository,
  commits: readonly HistoryCommit[],
  nowMs: number,
): Promise<RecentFigures> {
  const askedAt = new Map(
    commits
      .filter((commit) => messageOf(commit).kind === 'task')
      .map((commit) => [commit.id, commit.committedAtMs]),
  );
  const recent = commits
    .filter((commit) => messageOf(commit).kind === 'answer' && nowMs - commit.committedAtMs <= RECENT_MS)
    .slice(-MAX_ANSWERS);
  const errors = recent.filter(
    ({ statusTrailer: status }) => status.startsWith('error') && status !== 'error cancelled',
  ).length;
  const answers = await readAnswers(repo, recent);
  const waits = recent.flatMap((commit) => {
    const at = askedAt.get(commit.taskTrailer);
    // Commits have whole seconds; nobody waited for less than the answer took.
    const tookMs = answers.get(commit.id)?.latency_ms ?? 0;
    return at === undefined ? [] : [Math.max(tookMs, commit.committedAtMs - at)];
  });
  const generated = recent.flatMap((commit) => {
    return commit.statusTrailer === 'ok' ? (answers.get(commit.id) ?? []) : [];
  });
  return {
    hours: RECENT_MS / 3_600_000,
    answered: recent.length,
    errors,
    error_rate: recent.length === 0 ? null : errors / recent.length,
    wait_ms: spreadOf(waits),
    generate_ms: spreadOf(generated.map(({ latency_ms: ms }) => ms)),
    tokens_per_s: tokenRate(generated),
  };
}

/** The answers of these commits, by commit; what cannot be read is left out. */
async function readAnswers(
  repo: Repository,
  commits: readonly HistoryCommit[],
): Promise<ReadonlyMap<string, Answer>> {
  const reader = openObjectReader(repo);
  try {
    const answers = new Map<string, Answer>();
    for (const commit of commits) {
      const message = messageOf(commit);
      const blob = message.kind === 'answer' ? await reader.read(message.change.newId) : null;
      const answer = readKeptAnswer(blob?.content);
      if (answer !== null) answers.set(commit.id, answer);
    }
    return answers;
  } finally {
    reader.close();
  }
}

/** The median and p95 of these values; null for none. Exported for its test. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return sorted.length === 0 ? null : { median: at(0.5), p95: at(0.95) };
}

function tokenRate(answers: readonly Answer[]): number | null {
  let tokens = 0;
  let ms = 0;
  for (const { usage, latency_ms: latencyMs } of answers) {
    if (usage?.completion_tokens === undefined) continue;
    tokens += usage.completion_tokens;
    ms += latencyMs;
  }
  return ms === 0 ? null : Math.round((tokens / ms) * 10_000) / 10;
}

import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { type Answer, readAnswer } from '../protocol/answer.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';

/** The stretch that figures are of. */
export const RECENT_MS = 24 * 60 * 60_000;

/** So many answers are looked at, the newest, so that a busy bridge does not make `status` slow: some tenths of a second. */
const MAX_ANSWERS = 1000;

/** The middle one, and the one that 95 of 100 do not exceed. Milliseconds. */
export interface Spread {
  readonly median: number;
  readonly p95: number;
}

/** How a bridge did in the last day; of its newest thousand answers where there were more. */
export interface RecentFigures {
  readonly hours: number;
  /** Answers, errors included. */
  readonly answered: number;
  /** Without what was cancelled. */
  readonly errors: number;
  /** 0 to 1; null where nothing was answered. */
  readonly error_rate: number | null;
  /** From the question on main to the answer on main, which have whole seconds. */
  readonly wait_ms: Spread | null;
  /** From taking a task up to the finished answer; without errors, and without answers that an equal task had already. */
  readonly generate_ms: Spread | null;
  /** Of the same answers, while they were generated, as far as the model server counted. */
  readonly tokens_per_s: number | null;
}

/** Works the figures out of a stretch of history that reaches back for a day at least. */
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
  const waits = recent.flatMap((commit) => {
    const at = askedAt.get(commit.taskTrailer);
    return at === undefined ? [] : [Math.max(0, commit.committedAtMs - at)];
  });
  const generated = await readGenerated(
    repo,
    recent.filter((commit) => commit.statusTrailer === 'ok'),
  );
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

async function readGenerated(repo: Repository, commits: readonly HistoryCommit[]): Promise<Answer[]> {
  const reader = openObjectReader(repo);
  try {
    const answers: Answer[] = [];
    for (const commit of commits) {
      const message = messageOf(commit);
      const blob = message.kind === 'answer' ? await reader.read(message.change.newId) : null;
      const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
      if (read?.ok) answers.push(read.value);
    }
    return answers;
  } finally {
    reader.close();
  }
}

/** Null of nothing. Exported for its test. */
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

/**
 * Default of `bridge.maxTaskBytes`: 1 MiB, about 250,000 English words, which is more than the context of any
 * model.
 */
export const DEFAULT_MAX_TASK_BYTES = 1024 * 1024;

/** Default of `bridge.maxAnswerBytes`, the size of an `inbox.json`: 1 MiB. */
export const DEFAULT_MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Default of `bridge.maxStreamBytes`, the size of a stream: 16 MiB. The largest answer, a token a line, takes
 * less.
 */
export const DEFAULT_MAX_STREAM_BYTES = 16 * 1024 * 1024;

/** Default of `bridge.taskTtl`: after a week nobody waits for the answer any more. */
export const DEFAULT_TASK_TTL_MS = 7 * 24 * 60 * 60 * 1000;

/** The most characters of a task that `inbox.json` repeats in `task_text`; enough to recognise a question. */
export const MAX_TASK_TEXT_CHARS = 4096;

/** The most commits in one push: many times what an agent batches, and still cheap to check. */
export const MAX_COMMITS_PER_PUSH = 1000;

/**
 * How far ahead of the server's clock a commit may be dated: two machines without NTP drift this far apart in
 * months.
 */
export const MAX_CLOCK_AHEAD_MS = 10 * 60 * 1000;

/**
 * How far behind the server's clock a commit may be dated. So dates along `main` never run backwards by more
 * than this plus MAX_CLOCK_AHEAD_MS, and `--shallow-since` can stop at a date and miss nothing.
 */
export const MAX_CLOCK_BEHIND_MS = 60 * 60 * 1000;

/**
 * How much further back than the time-to-live a clone reaches and history is read, for clocks and dates that
 * are not quite in order, and so that a task that has just expired is seen as expired: a day.
 */
export const HISTORY_MARGIN_MS = 24 * 60 * 60 * 1000;

/** Whether a commit may be dated so. `nowMs` is the server's clock. */
export function isDateAllowed(committedAtMs: number, nowMs: number): boolean {
  const aheadMs = committedAtMs - nowMs;
  return aheadMs <= MAX_CLOCK_AHEAD_MS && -aheadMs <= MAX_CLOCK_BEHIND_MS;
}

/** How deep the JSON of a message may nest. JSON Schemas of real programs stay below 20. */
export const MAX_JSON_DEPTH = 64;

/**
 * The most bytes of a commit object with its message: many times a subject, a few
 * trailers, and a model's name twice.
 */
export const MAX_COMMIT_BYTES = 16 * 1024;

/**
 * The limit of a task's `priority`, up and down: enough steps for everybody, and no
 * value outbids all others for good.
 */
export const MAX_PRIORITY = 10;

/**
 * The context in tokens that a conversation is fitted into where the task sets no `num_ctx` and nobody knows
 * the longest that its model gets. It is the context that Ollama gives a model by default.
 */
export const DEFAULT_CONTEXT_TOKENS = 4096;

/** How many tasks of a conversation are read, the newest. Only the largest models have a context for more. */
export const MAX_CONVERSATION_TASKS = 100;

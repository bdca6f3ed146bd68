/**
 * Default of `bridge.maxTaskBytes`: 8 MiB. A photo of a telephone (4 to 6 MB) goes in as base64, which is a
 * third larger, and so does the longest conversation that a model has a context for.
 */
export const DEFAULT_MAX_TASK_BYTES = 8 * 1024 * 1024;

/**
 * Default of `bridge.maxAnswerBytes`, the size of an `inbox.json`: 8 MiB. The embeddings of 300 texts in
 * 1024 numbers each take about that.
 */
export const DEFAULT_MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** What an agent puts into one push: answers of so many bytes together, or one that is larger. */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024;

/**
 * The most bytes in one push, as a pack and as messages: four of the largest messages, and twice what an
 * agent puts into one push. `hooks/receive-pack` computes the same.
 */
export function maxPushBytes(limits: {
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
}): number {
  return Math.max(2 * MAX_BATCH_BYTES, 4 * Math.max(limits.maxTaskBytes, limits.maxAnswerBytes));
}

/**
 * Default of `bridge.maxStreamBytes`, the size of a stream: 16 MiB. An answer of 4 MiB, a token a line,
 * takes about that.
 */
export const DEFAULT_MAX_STREAM_BYTES = 16 * 1024 * 1024;

/** Default of `bridge.taskTtl`: after a week nobody waits for the answer any more. */
export const DEFAULT_TASK_TTL_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * The most characters of a task that `inbox.json` repeats in `task_text`; enough to recognise a question.
 */
export const MAX_TASK_TEXT_CHARS = 4096;

/** The most commits in one push: many times what an agent batches, and still cheap to check. */
export const MAX_COMMITS_PER_PUSH = 1000;

/**
 * How far ahead of the server's clock a commit may be dated: two machines without NTP drift this far apart
 * in months.
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

/**
 * The most objects, lists and strings of a message in JSON, keys included. Each takes up to 400 bytes of
 * memory, however short it is, so 8 MiB of JSON could take 700 MB in a hook. The log probabilities of 2,000
 * tokens, with twenty others each, are as many.
 */
export const MAX_JSON_PARTS = 250_000;

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

/**
 * How many tasks of a conversation are read, the newest. Only the largest models have a context for more.
 */
export const MAX_CONVERSATION_TASKS = 100;

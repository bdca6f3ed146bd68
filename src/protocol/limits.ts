/** Default of `bridge.maxTaskBytes`: 1 MiB, some 250,000 words of English; more than any model's context takes. */
export const DEFAULT_MAX_TASK_BYTES = 1024 * 1024;

/** Default of `bridge.maxAnswerBytes`, the size of an `inbox.json`: 1 MiB. */
export const DEFAULT_MAX_ANSWER_BYTES = 1024 * 1024;

/** Default of `bridge.taskTtl`: a question nobody answered for a week is no longer waited for. */
export const DEFAULT_TASK_TTL_MS = 7 * 24 * 60 * 60 * 1000;

/** The most characters of a task that `inbox.json` repeats in `task_text`; enough to recognise a question by. */
export const MAX_TASK_TEXT_CHARS = 4096;

/** The most commits one push may bring: what an agent batches, many times over, and still a bounded check. */
export const MAX_COMMITS_PER_PUSH = 1000;

/** How far ahead of the server's clock a commit may be dated: what two machines without NTP drift apart in months. */
export const MAX_CLOCK_AHEAD_MS = 10 * 60 * 1000;

/**
 * How far behind the server's clock a commit may be dated. Dates along `main` thereby never run backwards by more than
 * this and MAX_CLOCK_AHEAD_MS together, which is what lets `--shallow-since` stop at a date and miss nothing.
 */
export const MAX_CLOCK_BEHIND_MS = 60 * 60 * 1000;

/** How deep the JSON of a message may nest; JSON Schemas of real programs stay under 20. */
export const MAX_JSON_DEPTH = 64;

/** The most bytes of a commit object, message included: a subject, a few trailers, and a model's name twice, many times over. */
export const MAX_COMMIT_BYTES = 16 * 1024;

/** `priority` of a task goes from minus this to this: enough steps for anybody, and none that outbids all others for good. */
export const MAX_PRIORITY = 10;

/**
 * The context that a conversation is fitted into where the task has no `num_ctx`, in tokens: what Ollama gives a model that nobody said more
 * for.
 */
export const DEFAULT_CONTEXT_TOKENS = 4096;

/** How many tasks of a conversation are looked at, the newest; more than fit into the context of any but the largest models. */
export const MAX_CONVERSATION_TASKS = 100;

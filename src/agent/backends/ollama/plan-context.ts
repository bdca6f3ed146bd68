/** The smallest context that is asked for, in tokens; the others are twice, four times, … as large. */
const FIRST_STEP = 4096;

/** What bounds the context of one task, all in tokens. */
export interface ContextBounds {
  /** The task's own `num_ctx`. */
  readonly task: number | null;
  /** `--max-context`. */
  readonly max: number;
  /** What the model was made for; null where nobody says. */
  readonly model: number | null;
  /** What it has in memory; null where it is not there, or nobody says. */
  readonly loaded: number | null;
}

/** The context to ask for, and what keeps it from being larger; null: nothing does. */
export interface ContextPlan {
  readonly context: number;
  readonly limit: 'task' | 'max' | 'model' | 'loaded' | null;
}

/**
 * The context for `needed` tokens of prompt and answer: the task's own, or the first step that holds them,
 * within the bounds. A model that is in memory with more keeps what it has, because another context means
 * loading it once more.
 */
export function planContext(needed: number, bounds: ContextBounds): ContextPlan {
  const ceilings = [
    { limit: 'task', tokens: bounds.task ?? Number.POSITIVE_INFINITY },
    { limit: 'max', tokens: bounds.max },
    { limit: 'model', tokens: bounds.model ?? Number.POSITIVE_INFINITY },
  ] as const;
  const lowest = ceilings.reduce((low, one) => (one.tokens < low.tokens ? one : low));
  let step = bounds.task ?? FIRST_STEP;
  while (step < needed && step < lowest.tokens) step *= 2;
  const context = Math.min(step, lowest.tokens);
  const { loaded } = bounds;
  if (loaded !== null && loaded > lowest.tokens) return { context: loaded, limit: 'loaded' };
  const kept = loaded !== null && loaded > context ? loaded : context;
  return { context: kept, limit: kept >= lowest.tokens ? lowest.limit : null };
}

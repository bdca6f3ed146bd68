/** The wait between a first try and the second: a PC takes 5 to 60 s to be there. Milliseconds. */
export const FIRST_AGAIN_MS = 60_000;

/**
 * The waits double up to this: a PC that cannot be woken, without a cable say, needs no packet a minute.
 * Milliseconds.
 */
export const LAST_AGAIN_MS = 15 * 60_000;

/** The tries since somebody was first needed. Times are milliseconds of a monotonic clock. */
export interface Tries {
  readonly count: number;
  readonly nextMs: number;
  /** The task that the last try was for. */
  readonly task: string | null;
}

/** Nobody is needed. */
export const NO_TRIES: Tries = { count: 0, nextMs: 0, task: null };

/** What to do now, and when to look again, in milliseconds; null: when something happens. */
export interface WakeStep {
  readonly wake: boolean;
  readonly tries: Tries;
  readonly againMs: number | null;
}

/**
 * Whether to wake now. `task`: one that waits while no agent that could answer it is there; null: there is
 * none. The first try is at once, the next ones follow with doubling waits. After somebody has come, the
 * waits start from the first again, unless the task of the last try still waits (`waits`): a PC that wakes
 * and falls asleep again at once would be woken without a pause.
 */
export function planWake(
  tries: Tries,
  { task, waits }: { readonly task: string | null; readonly waits: (task: string) => boolean },
  nowMs: number,
): WakeStep {
  if (task === null) {
    const isUndone = tries.task !== null && waits(tries.task);
    return { wake: false, tries: isUndone ? tries : NO_TRIES, againMs: null };
  }
  if (tries.count > 0 && nowMs < tries.nextMs) return { wake: false, tries, againMs: tries.nextMs - nowMs };
  const againMs = Math.min(FIRST_AGAIN_MS * 2 ** tries.count, LAST_AGAIN_MS);
  return { wake: true, tries: { count: tries.count + 1, nextMs: nowMs + againMs, task }, againMs };
}

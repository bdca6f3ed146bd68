/** The wait between a first try and the second: a PC takes 5 to 60 s to be there. Milliseconds. */
export const FIRST_AGAIN_MS = 60_000;

/**
 * The waits double up to this: who forgot to plug the cable in does not want a packet a minute.
 * Milliseconds.
 */
export const LAST_AGAIN_MS = 15 * 60_000;

/** The tries of one time that somebody is needed. Times are by a timer that nobody sets, in milliseconds. */
export interface Tries {
  readonly count: number;
  readonly nextMs: number;
  /** The task that the last try was for. */
  readonly task: string | null;
}

/** Nobody is needed. */
export const NO_TRIES: Tries = { count: 0, nextMs: 0, task: null };

/** What is to be done now, and how long until it is to be looked at again; null: until something happens. */
export interface WakeStep {
  readonly wake: boolean;
  readonly tries: Tries;
  readonly againMs: number | null;
}

/**
 * Whether to wake now. `task`: one that waits while no agent that could answer it is there; null: there is
 * none. The first try is at once, the next ones follow with doubling waits. When somebody has come, the next
 * time starts from the first, unless the task that it was for still waits (`waits`): a PC that wakes and
 * falls asleep again at once would be woken without a pause.
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

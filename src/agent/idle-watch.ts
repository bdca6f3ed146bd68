import os from 'node:os';

/**
 * An agent takes its next turn soon after the wait that it planned, however long that was. One that is later
 * by more than this was away: its PC slept, or it waited for the server. Milliseconds.
 */
const MAX_LATE_MS = 3 * 60_000;

/** The uptime of some systems is in whole seconds. A sleep that is shorter does not matter. Milliseconds. */
const SHORTEST_SLEEP_MS = 5_000;

/** What to do: ask the server once more whether anything waits; run the command; nothing yet. */
export type IdleStep = 'ask' | 'run' | null;

/** The clocks that an idle time is counted by, in milliseconds. */
export interface IdleClocks {
  /** Runs forward only; it may stand still while the machine sleeps. */
  timerMs(): number;
  /** Goes on while the machine sleeps. */
  uptimeMs(): number;
}

const CLOCKS: IdleClocks = {
  timerMs: () => performance.now(),
  uptimeMs: () => os.uptime() * 1000,
};

/**
 * Counts how long an agent has had nothing to do, so that its PC may sleep. The count starts again after
 * every piece of work, after the command, and where the PC has slept meanwhile: a PC that was just woken is
 * needed.
 */
export class IdleWatch {
  readonly #afterMs: number;
  readonly #clocks: IdleClocks;
  #sinceMs: number;
  /** When the next turn is expected. */
  #nextMs: number;
  #aheadMs: number;
  #hasAsked = false;

  constructor(afterMs: number, clocks: IdleClocks = CLOCKS) {
    this.#afterMs = afterMs;
    this.#clocks = clocks;
    this.#sinceMs = clocks.timerMs();
    this.#nextMs = this.#sinceMs;
    this.#aheadMs = clocks.uptimeMs() - this.#sinceMs;
  }

  /**
   * A turn was taken, and the server was reached in it. `isBusy`: something runs, waits, or is to be
   * pushed.
   */
  turn(isBusy: boolean): IdleStep {
    const nowMs = this.#clocks.timerMs();
    const aheadMs = this.#clocks.uptimeMs() - nowMs;
    const hasSlept = nowMs - this.#nextMs > MAX_LATE_MS || aheadMs - this.#aheadMs > SHORTEST_SLEEP_MS;
    this.#nextMs = nowMs;
    this.#aheadMs = aheadMs;
    if (isBusy || hasSlept) this.restart();
    if (this.dueInMs() > 0) return null;
    // Asked once more: the last fetch may be a minute old, and the ring for a new task may be lost.
    const step = this.#hasAsked ? 'run' : 'ask';
    this.#hasAsked = step === 'ask';
    return step;
  }

  /**
   * Before a wait that is to last this long at most: returns how long it may last, and expects the next turn
   * when it is over. Milliseconds.
   */
  planWait(longestMs: number): number {
    const plannedMs = Math.min(longestMs, this.dueInMs());
    this.#nextMs = this.#clocks.timerMs() + plannedMs;
    return plannedMs;
  }

  /** How long until something is to be done, if nothing happens. Milliseconds. */
  dueInMs(): number {
    return Math.max(0, this.#sinceMs + this.#afterMs - this.#clocks.timerMs());
  }

  /** The command was run, or there was work: the count starts again. */
  restart(): void {
    this.#sinceMs = this.#clocks.timerMs();
    this.#hasAsked = false;
  }
}

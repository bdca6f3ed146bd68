import os from 'node:os';

/**
 * With the default `--poll`, an agent takes a turn every 75 s at the latest. One that took none for this long
 * was away: its PC slept, or it waited for the server. Milliseconds.
 */
const MAX_GAP_MS = 3 * 60_000;

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
  #turnMs: number;
  #aheadMs: number;
  #hasAsked = false;

  constructor(afterMs: number, clocks: IdleClocks = CLOCKS) {
    this.#afterMs = afterMs;
    this.#clocks = clocks;
    this.#turnMs = clocks.timerMs();
    this.#sinceMs = this.#turnMs;
    this.#aheadMs = clocks.uptimeMs() - this.#turnMs;
  }

  /**
   * A turn was taken, and the server was reached in it. `isBusy`: something runs, waits, or is to be
   * pushed.
   */
  turn(isBusy: boolean): IdleStep {
    const nowMs = this.#clocks.timerMs();
    const aheadMs = this.#clocks.uptimeMs() - nowMs;
    const hasSlept = nowMs - this.#turnMs > MAX_GAP_MS || aheadMs - this.#aheadMs > SHORTEST_SLEEP_MS;
    this.#turnMs = nowMs;
    this.#aheadMs = aheadMs;
    if (isBusy || hasSlept) this.restart();
    if (this.dueInMs() > 0) return null;
    // Asked once more: the last fetch may be a minute old, and the ring for a new task may be lost.
    const step = this.#hasAsked ? 'run' : 'ask';
    this.#hasAsked = step === 'ask';
    return step;
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

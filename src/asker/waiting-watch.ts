import { type AskedModel, type Attendance, attendanceOf } from '../bridge/attendance.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { TaskWork } from '../bridge/side-refs.js';
import { startStopwatch } from '../bridge/stopwatch.js';

/** What a task waits for: the agent that is at it, or for an agent. Times are by the server's clock. */
export type Waiting = { readonly attendance: Attendance; readonly nowMs: number } & (
  | { readonly for: 'answer'; readonly work: TaskWork }
  | { readonly for: 'agent' }
);

/** When to look what a task waits for: first, and at the longest; in between it grows. Milliseconds. */
export interface LookPace {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** For somebody who watches. */
export const WATCHFUL: LookPace = { firstMs: 1_000, longestMs: 10_000 };

/** For a program, which wants to know that nobody is there, and nothing of a quick answer. */
export const PATIENT: LookPace = { firstMs: 10_000, longestMs: 30_000 };

/** Who wants to know what a task waits for, and how soon. */
interface Watched {
  readonly onWaiting?: (waiting: Waiting) => void;
  readonly looks?: LookPace;
  /** The model that the task wants; absent: nobody asks for it. */
  readonly asked?: AskedModel | undefined;
}

/**
 * Tells what a task waits for. A claim does not ring the doorbell, so it is polled for, less and less often,
 * because there may be no agent.
 */
export class WaitingWatch {
  #last = '';
  #everyMs: number;
  #sinceMs = startStopwatch();
  readonly #view: BridgeView;
  readonly #task: string;
  readonly #looks: LookPace;
  readonly #tell: Watched['onWaiting'];
  readonly #asked: AskedModel | undefined;

  constructor(view: BridgeView, task: string, { onWaiting, looks = WATCHFUL, asked }: Watched) {
    this.#view = view;
    this.#task = task;
    this.#looks = looks;
    this.#tell = onWaiting;
    this.#asked = asked;
    this.#everyMs = looks.firstMs;
  }

  /** Whether somebody wants to know, and was told nothing yet. */
  isSilent(): boolean {
    return this.#tell !== undefined && this.#last === '';
  }

  /** How long until the next look. Milliseconds. */
  inMs(): number {
    return this.#tell === undefined ? Number.POSITIVE_INFINITY : this.#everyMs - this.#sinceMs();
  }

  /** Looks, and tells what is new. Call it after the view was refreshed with its side refs. */
  async look(): Promise<void> {
    this.#everyMs = Math.min(this.#everyMs * 1.5, this.#looks.longestMs);
    this.#sinceMs = startStopwatch();
    const who = await this.#view.whoWorks().catch(() => null);
    if (who === null) return;
    const { terms } = this.#view;
    const nowMs = terms.serverNow();
    const work = who.running.get(this.#task);
    const attendance = attendanceOf(who, { nowMs, takesClaims: terms.claimLeaseMs !== null }, this.#asked);
    const now = JSON.stringify({ work, attendance });
    if (now === this.#last) return;
    this.#last = now;
    const known = { attendance, nowMs };
    this.#tell?.(work === undefined ? { for: 'agent', ...known } : { for: 'answer', work, ...known });
  }
}

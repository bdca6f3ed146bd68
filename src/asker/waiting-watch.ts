import { type AskedModel, type Attendance, attendanceOf } from '../bridge/attendance.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { TaskWork, WhoWorks } from '../bridge/side-refs.js';
import { startStopwatch } from '../bridge/stopwatch.js';
import { MAX_PLACED, type Place, readPlaces } from '../bridge/task-places.js';
import { readHistory } from '../git/read-history.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { readQueue } from '../protocol/queue.js';

/**
 * What a task waits for: the answer of the agent that works on it, or an agent. Times are by the server's
 * clock. `line`: its place in line, and about how long it takes; null where nobody wanted to know, or
 * nothing says it.
 */
export type Waiting = {
  readonly attendance: Attendance;
  readonly nowMs: number;
  readonly line?: Place | null;
} & ({ readonly for: 'answer'; readonly work: TaskWork } | { readonly for: 'agent' });

/**
 * When to look what a task waits for: the time until the first look, and the longest between two looks. In
 * between it grows. Milliseconds.
 */
export interface LookPace {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** In a longer history no place is looked for: it would cost more than it tells. Commits. */
const MAX_READ = 20_000;

/** For somebody who watches. */
export const WATCHFUL: LookPace = { firstMs: 1_000, longestMs: 10_000 };

/**
 * For a program, which wants to know that nobody is there, and needs no look where the answer comes soon.
 */
export const PATIENT: LookPace = { firstMs: 10_000, longestMs: 30_000 };

/** Who wants to know what a task waits for, and how soon. */
interface Watched {
  readonly onWaiting?: (waiting: Waiting) => void;
  readonly looks?: LookPace;
  /** The model that the task wants; absent where nobody is to know of it. */
  readonly asked?: AskedModel | undefined;
  /** Also the place in line. Over ssh that costs a fetch of the history in which tasks can be pending. */
  readonly wantsPlace?: boolean;
  readonly signal?: AbortSignal | undefined;
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
  readonly #signal: AbortSignal | undefined;
  /** `not yet`: what takes a second or two needs no place. */
  #places: 'not yet' | 'far away' | 'here' | 'unwanted';

  constructor(
    view: BridgeView,
    task: string,
    { onWaiting, looks = WATCHFUL, asked, wantsPlace = false, signal }: Watched,
  ) {
    this.#places = wantsPlace ? 'not yet' : 'unwanted';
    this.#signal = signal;
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
    const line = await this.#line(who, nowMs).catch(() => null);
    const shown = line === null || work === undefined ? line : { ...line, aboutMs: null };
    const now = JSON.stringify({ work, attendance, line: shown });
    if (now === this.#last) return;
    this.#last = now;
    const known = { attendance, nowMs, line };
    this.#tell?.(work === undefined ? { for: 'agent', ...known } : { for: 'answer', work, ...known });
  }

  /** Null before it is known. */
  async #line(who: WhoWorks, nowMs: number): Promise<Place | null> {
    const { repo, ref, terms, isLocal } = this.#view;
    if (this.#places === 'unwanted' || this.#asked === undefined) return null;
    if (this.#places === 'not yet') {
      this.#places = isLocal ? 'here' : 'far away';
      return null;
    }
    if (this.#places === 'far away') {
      // Tried once: a place is not worth a second long fetch.
      this.#places = 'unwanted';
      const chosen = await this.#view.window({ pending: 0, expired: 0 }, this.#signal);
      if (chosen !== null && chosen.left.pending > MAX_PLACED) return null;
      // Where the server does not choose, all of the window is here by now.
      if (chosen !== null) await this.#view.reach('window', this.#signal);
      this.#places = 'here';
    }
    const { taskTtlMs: ttlMs } = terms;
    const sinceMs = nowMs - ttlMs - HISTORY_MARGIN_MS;
    const commits = await readHistory(repo, { from: [ref], sinceMs, maxCount: MAX_READ }, this.#signal);
    if (commits.length >= MAX_READ) return null;
    const { pending: unanswered, cancelled } = readQueue(commits, { nowMs, ttlMs });
    const open = unanswered.filter(({ id }) => !cancelled.has(id)).map(({ id }) => id);
    const isOpen = new Set(open);
    const places = await readPlaces(repo, {
      ...{ commits, who, nowMs, sameModel: this.#asked.sameModel },
      open: commits.filter(({ id }) => isOpen.has(id)),
      pending: new Set(open.filter((id) => !who.running.has(id))),
    });
    return places.get(this.#task) ?? null;
  }
}

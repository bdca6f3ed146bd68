import { timeLimit } from '../process/time-limit.js';

/**
 * The next turn of a bridge comes soon after the wait that it planned. One that is later by more than this
 * cannot be reached, and what it had last counts. Milliseconds.
 */
const UNREACHED_MS = 3 * 60_000;

/** A server that is reachable answers a question within this time. Milliseconds. */
const CONFIRM_MS = 15_000;

/** How the group asks a bridge, and tells it. */
interface MemberSteps {
  /** Whether a task is being answered, or an answer is not pushed yet: now, not at its last turn. */
  readonly isWorking: () => boolean;
  /** Whether its doorbell rang since its server was last asked. */
  readonly isRung: () => boolean;
  /** Has it ask its server once more, soon. */
  readonly askAgain: () => void;
  /** The command was run: its idle time starts again. */
  readonly restart: () => void;
}

/**
 * The bridges of one agent. Their PC may sleep only when none of them has anything to do. A bridge that
 * cannot be reached does not keep the PC awake, unless it had something left to do.
 */
export class IdleGroup {
  readonly members = new Set<IdleMember>();
  readonly #openedMs = performance.now();
  readonly #bridges: number;
  #joined = 0;

  /** `bridges`: how many are going to join. */
  constructor(bridges: number) {
    this.#bridges = bridges;
  }

  /** Adds a bridge. */
  join(steps: MemberSteps): IdleMember {
    const member = new IdleMember(this, steps);
    this.members.add(member);
    this.#joined += 1;
    return member;
  }

  /** Whether a bridge may still join, so that it is not known what waits there. */
  isAnyToCome(): boolean {
    return this.#joined < this.#bridges && performance.now() - this.#openedMs <= UNREACHED_MS;
  }
}

/** A bridge in a group. */
export class IdleMember {
  readonly #group: IdleGroup;
  readonly #steps: MemberSteps;
  #isBusy = false;
  #isQuiet = false;
  /** When its next turn is expected. */
  #nextMs = performance.now();
  #told: (() => void) | null = null;

  constructor(group: IdleGroup, steps: MemberSteps) {
    this.#group = group;
    this.#steps = steps;
  }

  /** A turn was taken, and its server was reached in it. */
  turn(isBusy: boolean): void {
    this.#nextMs = performance.now();
    this.#isBusy = isBusy;
    if (isBusy) this.#isQuiet = false;
    this.#told?.();
  }

  /** It waits this long for its next turn, unless something happens. Milliseconds. */
  waits(plannedMs: number): void {
    this.#nextMs = performance.now() + plannedMs;
  }

  /**
   * This bridge has had nothing to do for its time. True where the others have had nothing to do either,
   * each of which asks its server once more, and no doorbell rang meanwhile.
   */
  async mayRun(signal: AbortSignal): Promise<boolean> {
    this.#isQuiet = true;
    const others = [...this.#group.members].filter((one) => one !== this);
    if (this.#group.isAnyToCome() || !others.every((one) => one.#isAtRest())) return false;
    await Promise.all(others.map((one) => one.#confirm(signal)));
    // Asked again: a bridge that lost its server in the middle of a turn may have had a task started by
    // another bridge's turn.
    if (!others.every((one) => one.#isAtRest())) return false;
    return !this.#steps.isWorking() && !this.#steps.isRung();
  }

  /** The command was run. */
  ran(): void {
    for (const one of this.#group.members) {
      one.#isQuiet = false;
      one.#steps.restart();
    }
  }

  leave(): void {
    this.#group.members.delete(this);
  }

  #isAtRest(): boolean {
    if (this.#isBusy || this.#steps.isWorking()) return false;
    return this.#isUnreached() || (this.#isQuiet && !this.#steps.isRung());
  }

  #isUnreached(): boolean {
    return performance.now() - this.#nextMs > UNREACHED_MS;
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    if (this.#isUnreached()) return;
    const within = timeLimit(CONFIRM_MS, signal);
    await new Promise<void>((resolve) => {
      this.#told = resolve;
      within.addEventListener('abort', () => resolve(), { once: true });
      this.#steps.askAgain();
    });
    this.#told = null;
  }
}

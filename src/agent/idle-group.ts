/**
 * The turns of a bridge come every 75 s at the latest. One that had none for so long cannot be reached, and
 * what it had last counts. Milliseconds.
 */
const UNREACHED_MS = 3 * 60_000;

/** A server that is reachable answers a question within this time. Milliseconds. */
const CONFIRM_MS = 15_000;

/** How a bridge of the group is asked. */
interface MemberSteps {
  /** Whether a task is with a model, or an answer is not pushed yet: now, not at its last turn. */
  readonly isWorking: () => boolean;
  /** Whether its doorbell rang since its server was last asked. */
  readonly isRung: () => boolean;
  /** Has it ask its server once more, soon. */
  readonly askAgain: () => void;
  /** The command was run: it counts from nothing again. */
  readonly restart: () => void;
}

/**
 * Bridges of one agent, whose PC may sleep only when none of them has anything to do. One that cannot be
 * reached keeps nobody awake, unless something of it was left to do.
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

  /** Whether one of them is still on its way: what waits there is not known. */
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
  #turnMs = performance.now();
  #told: (() => void) | null = null;

  constructor(group: IdleGroup, steps: MemberSteps) {
    this.#group = group;
    this.#steps = steps;
  }

  /** A turn was taken, and its server was reached in it. */
  turn(isBusy: boolean): void {
    this.#turnMs = performance.now();
    this.#isBusy = isBusy;
    if (isBusy) this.#isQuiet = false;
    this.#told?.();
  }

  /**
   * This bridge has had nothing to do for its time. Whether the others have had nothing either, each of which
   * is asked once more, and whether no doorbell rang meanwhile.
   */
  async mayRun(signal: AbortSignal): Promise<boolean> {
    this.#isQuiet = true;
    const others = [...this.#group.members].filter((one) => one !== this);
    if (this.#group.isAnyToCome() || !others.every((one) => one.#isAtRest())) return false;
    await Promise.all(others.map((one) => one.#confirm(signal)));
    // The room may have started a task of one that lost its server in the middle of a turn.
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
    const isUnreached = performance.now() - this.#turnMs > UNREACHED_MS;
    if (this.#isBusy || this.#steps.isWorking()) return false;
    return isUnreached || (this.#isQuiet && !this.#steps.isRung());
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#turnMs > UNREACHED_MS) return;
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONFIRM_MS)]);
    await new Promise<void>((resolve) => {
      this.#told = resolve;
      within.addEventListener('abort', () => resolve(), { once: true });
      this.#steps.askAgain();
    });
    this.#told = null;
  }
}

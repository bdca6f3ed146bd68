import type { FinishedAnswer } from './clone/finished-answers.js';

/** The most answers in one push: ordinary ones stay far below what the server takes at once. */
export const MAX_BATCH = 100;

/** Of cancelled tasks, beside answers that somebody waits for: a push takes the longer, the more it has. */
const MAX_CANCELLED_BESIDE = 20;

/** One push that is under way, and the next. */
const MANY = 2 * MAX_BATCH;

/** With so many, no cancelled task is answered: what models answer still fits into the next push. */
const MANY_FOR_CANCELLED = MAX_BATCH + MAX_BATCH / 2;

/** The answers that are in the clone and not on main yet. No I/O. */
export class UnpushedAnswers {
  readonly #all: Map<string, FinishedAnswer>;
  #arePushesTaken = false;

  /** `left`: the answers that an earlier run left. */
  constructor(left: readonly FinishedAnswer[]) {
    this.#all = new Map(left.map((one) => [one.taskId, one]));
  }

  /** The oldest first. */
  get all(): readonly FinishedAnswer[] {
    return [...this.#all.values()];
  }

  /**
   * What the next push may have: the oldest first, but what somebody waits for before what says that a task
   * is cancelled, with which nobody can do anything.
   */
  get next(): readonly FinishedAnswer[] {
    const cancelled = this.all.filter(isOfCancelled);
    const others = this.all.filter((one) => !isOfCancelled(one));
    if (others.length === 0 || cancelled.length === 0) return this.all.slice(0, MAX_BATCH);
    const beside = cancelled.slice(0, MAX_CANCELLED_BESIDE);
    return [...others.slice(0, MAX_BATCH - beside.length), ...beside];
  }

  get count(): number {
    return this.#all.size;
  }

  has(task: string): boolean {
    return this.#all.has(task);
  }

  /** An answer is in the clone, instead of an earlier one to its task if there was one. */
  kept(answer: FinishedAnswer): void {
    this.#all.set(answer.taskId, answer);
  }

  /** The answers to these tasks need not be pushed any more. */
  letGo(tasks: Iterable<string>): void {
    for (const task of tasks) this.#all.delete(task);
  }

  /** A push got through. */
  pushed(): void {
    this.#arePushesTaken = true;
  }

  /** The server cannot be reached, or takes nothing now. */
  missed(): void {
    this.#arePushesTaken = false;
  }

  /** How many cancelled tasks may be answered before the next push. */
  get roomForCancelled(): number {
    return Math.max(0, MANY_FOR_CANCELLED - this.#all.size);
  }

  /**
   * Whether the models are so far ahead that no task is to be started until the next push: two programs on
   * one machine would take each other's time, and other agents would find the tasks taken. Never while the
   * server is away: then the models go on.
   */
  get isBehind(): boolean {
    return this.#arePushesTaken && this.#all.size >= MANY;
  }
}

function isOfCancelled({ answer }: FinishedAnswer): boolean {
  return answer.error?.code === 'cancelled';
}

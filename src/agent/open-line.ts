import type { AskedTask } from '../protocol/queue.js';
import { leftTo, type ModelKnowledge } from './claims/model-placement.js';
import type { AgentContext } from './open-agent.js';

/** What a line is made of. */
type LineContext = Pick<AgentContext, 'session' | 'claims' | 'queue' | 'gate'>;

/**
 * The open tasks that this agent may start, apart from those that it leaves. Made anew only where something
 * changed that decides it: with fifty thousand tasks for the model of a PC that sleeps, all of them were
 * looked through several times for each answer.
 */
export class OpenLine {
  readonly #agent: LineContext;
  #ours: readonly AskedTask[] = [];
  #left: readonly AskedTask[] | null = null;
  #madeOf: readonly unknown[] = [];

  constructor(agent: LineContext) {
    this.#agent = agent;
  }

  /** A task was given back: it may be one that is left from now on. */
  changed(): void {
    this.#madeOf = [];
  }

  /**
   * Those that fall to this agent, in the order of answering. Some of them may be answered, or be being
   * answered, by now. `isRunning`: whether a task is being answered here already.
   */
  ours(isRunning: (id: string) => boolean): readonly AskedTask[] {
    const { session, claims, gate } = this.#agent;
    const knowledge = claims.knowledge();
    const madeOf = () => [session.queue, knowledge, gate.version];
    if (madeOf().every((part, at) => part === this.#madeOf[at])) return this.#ours;
    const left: AskedTask[] = [];
    this.#ours =
      knowledge !== null || gate.isChoosing
        ? session.uncancelled.filter((task) => this.#isOurs(task, knowledge, isRunning, left))
        : session.uncancelled;
    this.#left = left;
    // Not before: a gate learns by being asked.
    this.#madeOf = madeOf();
    return this.#ours;
  }

  /** Those that are left to agents that have their model; null: as at the last call. */
  takeLeft(): readonly AskedTask[] | null {
    const left = this.#left;
    this.#left = null;
    return left;
  }

  #isOurs(
    task: AskedTask,
    knowledge: ModelKnowledge | null,
    isRunning: (id: string) => boolean,
    left: AskedTask[],
  ): boolean {
    const { session, queue, gate } = this.#agent;
    if (!gate.mayTake(task.id)) return false;
    const wanted = knowledge === null ? null : queue.modelFor(task.id, session.queue.goodAnswers);
    if (knowledge === null || wanted === null) return true;
    if (leftTo(wanted, knowledge, session.name).length === 0) return true;
    if (session.isOpen(task.id) && !isRunning(task.id)) left.push(task);
    return false;
  }
}

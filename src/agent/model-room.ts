import { inOrderOfAnswering } from '../protocol/queue.js';

/** A pending task of one bridge: what decides when it has its turn. */
export interface TaskInLine {
  readonly priority: number;
  /** The source by which tasks take turns on its bridge (`sourceOf`). */
  readonly source: string;
  /**
   * How long it has waited by the clock of its server, so that the clocks of two servers are not compared.
   * Milliseconds.
   */
  readonly waitedMs: number;
  /** Whether it could be started now. */
  readonly isFree: boolean;
}

/** A bridge that shares the models of an agent with others. */
export interface RoomUser {
  /** Tells its askers from those of other bridges. */
  readonly bridge: string;
  /** How many of its tasks are with a model. */
  withModel(): number;
  /**
   * What is pending there, in the order of answering, with the tasks that are being answered. It may end
   * behind as many free tasks as can be started at once: what comes later changes nothing for these.
   */
  line(): readonly TaskInLine[];
  /**
   * Starts at most `room` of its tasks, besides those that need no model. Returns how many of the former it
   * started.
   */
  take(room: number): number;
}

/** How many tasks may be with an agent's models at once, for all its bridges together. */
export class ModelRoom {
  readonly #parallel: number;
  readonly #users = new Set<RoomUser>();

  constructor(parallel: number) {
    this.#parallel = parallel;
  }

  /** Whether several bridges share it. */
  get isShared(): boolean {
    return this.#users.size > 1;
  }

  enter(user: RoomUser): void {
    this.#users.add(user);
  }

  leave(user: RoomUser): void {
    this.#users.delete(user);
  }

  /** How many more tasks may go to a model. */
  free(): number {
    const taken = [...this.#users].reduce((sum, user) => sum + user.withModel(), 0);
    return Math.max(0, this.#parallel - taken);
  }

  /**
   * Fills the room from one queue: the tasks of all bridges in the order of answering, where askers of two
   * bridges always count as different. A bridge that has no task for this agent now is passed over.
   */
  fill(): void {
    const [only, ...others] = this.#users;
    if (only === undefined) return;
    if (others.length === 0) {
      only.take(this.free());
      return;
    }
    // What needs no model needs no turn.
    for (const user of this.#users) user.take(0);
    const passed = new Set<RoomUser>();
    for (let free = this.free(); free > 0; free = this.free()) {
      const next = this.#inLine().filter(({ user, task }) => task.isFree && !passed.has(user));
      const first = next[0]?.user;
      if (first === undefined) return;
      const end = next.findIndex(({ user }) => user !== first);
      const room = Math.min(free, end < 0 ? next.length : end);
      if (first.take(room) < room) passed.add(first);
    }
  }

  #inLine(): { readonly user: RoomUser; readonly task: TaskInLine }[] {
    const all = [...this.#users].flatMap((user) => user.line().map((task) => ({ user, task })));
    all.sort((a, b) => b.task.waitedMs - a.task.waitedMs);
    const waitingOf = ({ user, task }: (typeof all)[number]) => ({
      priority: task.priority,
      source: `${user.bridge}\n${task.source}`,
      askedAtMs: -task.waitedMs,
    });
    return inOrderOfAnswering(all, waitingOf, 0);
  }
}

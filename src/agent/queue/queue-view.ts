import type { WantedModel } from '../../bridge/wanted-model.js';
import { REMOTE_MAIN_REF } from '../../git/fetch.js';
import type { ObjectReader } from '../../git/object-reader.js';
import { readHistory } from '../../git/read-history.js';
import type { Repository } from '../../git/run-git.js';
import { messageOf } from '../../protocol/history.js';
import { HISTORY_MARGIN_MS } from '../../protocol/limits.js';
import {
  type AskedTask,
  createQueueReader,
  inOrderOfAnswering,
  isExpired,
  type QueueState,
  type Waiting,
} from '../../protocol/queue.js';
import { readAskedTasks } from './read-task.js';
import { PLAIN_TASK, plainTask, type SeenTask, seenTask, type TaskLimits } from './seen-task.js';

/**
 * The order of more pending tasks than this is kept for ORDER_AGE_MS, as long as no new task comes: what is
 * answered only leaves it, and age counts by the hour. To put fifty thousand in order takes 50 ms.
 */
const MANY = 2_000;
const ORDER_AGE_MS = 10_000;

const NO_ORDER = { order: [], atMs: Number.NEGATIVE_INFINITY };

type Clock = { readonly nowMs: number; readonly ttlMs: number };

/** The terms by which a queue is read. `nowMs` is by the server's clock. */
export interface QueueTerms {
  readonly nowMs: number;
  readonly taskTtlMs: number;
  readonly maxTaskBytes: number;
}

/** The queue as a clone shows it, kept up to date commit by commit. */
export class QueueView {
  readonly #clone: Repository;
  readonly #objects: ObjectReader;
  #history = nothingSeen();
  readonly #seen = new Map<string, SeenTask>();
  #last: { readonly order: readonly AskedTask[]; readonly atMs: number } = NO_ORDER;
  /** What was read last: the agent reads after each answer, mostly without anything new on main. */
  #read: { readonly queue: QueueState; readonly oldestMs: number } | null = null;
  /** The tasks that were answered since the last order was looked through. */
  readonly #answered = new Set<string>();

  constructor(clone: Repository, objects: ObjectReader) {
    this.#clone = clone;
    this.#objects = objects;
  }

  /**
   * Reads what came to REMOTE_MAIN_REF since the last time, `tip`, and returns the queue. What is pending
   * stands in the order in which it is to be answered (`inOrderOfAnswering`).
   */
  async read(tip: string, terms: QueueTerms): Promise<QueueState> {
    // The history of one clone to the end, though `restart` may come meanwhile.
    const history = this.#history;
    const { nowMs, taskTtlMs } = terms;
    const clock = { nowMs, ttlMs: taskTtlMs };
    if (tip === history.seen && this.#read !== null && this.#isStillSo(this.#read, clock))
      return this.#read.queue;
    if (tip !== history.seen) {
      const not = history.seen === null ? [] : [history.seen];
      const commits = await readHistory(this.#clone, { from: [REMOTE_MAIN_REF], not });
      history.reader.push(commits);
      for (const commit of commits) {
        const { kind } = messageOf(commit);
        if (kind === 'task') this.#last = NO_ORDER;
        if (kind === 'answer') this.#answered.add(commit.taskTrailer);
        history.newestMs = Math.max(history.newestMs, commit.committedAtMs);
      }
      history.seen = commits.at(-1)?.id ?? tip;
    }
    // What is forgotten never comes back, so our own clock, which may be set ahead, must not decide it
    // alone.
    // What is older is not in a fresh clone either (`updateClone`).
    history.reader.forget(Math.min(nowMs, history.newestMs) - taskTtlMs - HISTORY_MARGIN_MS);
    const queue = history.reader.queue(clock);
    const oldestMs = queue.pending[0]?.askedAtMs ?? Number.POSITIVE_INFINITY;
    const { atMs } = this.#last;
    if (this.#isOrderFresh(queue.pending.length, nowMs))
      this.#last = { order: this.#leftInOrder(clock), atMs };
    else this.#last = { order: await this.#order(queue.pending, terms), atMs: nowMs };
    this.#answered.clear();
    const read = { ...queue, pending: this.#last.order };
    this.#read = { queue: read, oldestMs };
    return read;
  }

  /** Whether very many tasks, read at the same tip, are still what is pending, in an order that is fresh. */
  #isStillSo({ queue, oldestMs }: { queue: QueueState; oldestMs: number }, clock: Clock): boolean {
    return this.#isOrderFresh(queue.pending.length, clock.nowMs) && !isExpired(oldestMs, clock);
  }

  /**
   * Whether the last order may be used again: answers alone do not change much in an order of very many
   * tasks.
   */
  #isOrderFresh(count: number, nowMs: number): boolean {
    const { order, atMs } = this.#last;
    return count > MANY && count <= order.length && Math.abs(nowMs - atMs) < ORDER_AGE_MS;
  }

  /**
   * The last order, without the tasks that are not pending any more. It has all that are: no new task came.
   * It looks for the few that left, because to look up fifty thousand takes ten times as long.
   */
  #leftInOrder(clock: Clock): readonly AskedTask[] {
    return this.#last.order.filter(
      ({ id, askedAtMs }) => !this.#answered.has(id) && !isExpired(askedAtMs, clock),
    );
  }

  /**
   * The model that has to answer a pending task; null where any will do: it names none, or there is a good
   * answer to an equal one among `goodAnswers`.
   */
  modelFor(id: string, goodAnswers: QueueState['goodAnswers']): WantedModel | null {
    const seen = this.#seen.get(id);
    return seen === undefined || seen.wanted === null || goodAnswers.has(seen.key) ? null : seen.wanted;
  }

  /** What decides when a pending task has its turn, beside its time. */
  turnOf(id: string): Pick<Waiting, 'priority' | 'source'> {
    return this.#seen.get(id) ?? PLAIN_TASK;
  }

  /** The fields of a pending task that may forbid it to an agent. */
  limitsOf(id: string): TaskLimits {
    return this.#seen.get(id)?.limits ?? {};
  }

  /** When it was first seen pending. Milliseconds of a clock that never jumps. */
  seenMs(id: string): number {
    return this.#seen.get(id)?.seenMs ?? performance.now();
  }

  /** The clone is a new one: reads it from the beginning. */
  restart(): void {
    this.#history = nothingSeen();
    this.#last = NO_ORDER;
    this.#read = null;
  }

  /** Puts the pending tasks in order. Each task is read once, the first time it is seen. */
  async #order(
    pending: readonly AskedTask[],
    { maxTaskBytes, nowMs }: QueueTerms,
  ): Promise<readonly AskedTask[]> {
    const known = this.#seen;
    const ids = new Set(pending.map(({ id }) => id));
    for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    for (const asked of pending)
      if (asked.file === 'task.txt' && !known.has(asked.id)) known.set(asked.id, plainTask(asked));
    const unseen = pending.filter(({ id }) => !known.has(id));
    for await (const { asked, content } of readAskedTasks(this.#objects, unseen, maxTaskBytes))
      known.set(asked.id, seenTask(asked, content));
    const waitingOf = ({ id, askedAtMs }: AskedTask) => ({ ...(known.get(id) ?? PLAIN_TASK), askedAtMs });
    return inOrderOfAnswering(pending, waitingOf, nowMs);
  }
}

/**
 * What was read of a clone's history, up to `seen`. `newestMs`: its newest date, which the server has
 * checked.
 */
function nothingSeen() {
  return {
    reader: createQueueReader(),
    seen: null as string | null,
    newestMs: Number.NEGATIVE_INFINITY,
  };
}

import { shortId } from '../protocol/names.js';
import type { AskedTask } from '../protocol/queue.js';
import { answerTask } from './answer-task.js';
import type { StartTask } from './claims/claims-events.js';
import { createKeeper } from './clone/finished-answers.js';
import { Job } from './job.js';
import type { RoomUser } from './model-room.js';
import type { AgentContext } from './open-agent.js';
import { OpenLine } from './open-line.js';
import { EqualTasks } from './queue/equal-tasks.js';
import { isFull, startLimits } from './start-limits.js';
import { frontOfLine, MAX_FRONT, tasksInLine } from './tasks-in-line.js';

/** The tasks that an agent answers at the same time. At most `parallel` of them are with a model. */
export class Workers {
  readonly #agent: AgentContext;
  readonly #jobs = new Map<string, { readonly job: Job; readonly done: Promise<void> }>();
  readonly #keep: ReturnType<typeof createKeeper>;
  readonly #equal = new EqualTasks();
  readonly #line: OpenLine;
  readonly #isRunning = (id: string) => this.#jobs.has(id);
  /** The jobs that were claimed ahead, in the order of their claims, each with what lets it in. */
  readonly #waiting = new Map<Job, () => void>();
  readonly #user: RoomUser;
  #generated = 0;
  #started = 0;

  constructor(agent: AgentContext) {
    this.#agent = agent;
    this.#line = new OpenLine(agent);
    this.#keep = createKeeper(agent.clone);
    this.#user = {
      bridge: agent.connection.address.url,
      withModel: () => this.#withModel(),
      line: () => tasksInLine(agent, this.#line, this.#isRunning),
      take: (room) => this.#take(room),
    };
    agent.options.room.enter(this.#user);
  }

  busy(): number {
    return this.#jobs.size;
  }

  /** Resolves once no task runs, and leaves the room to other bridges. Abort the agent's signal first. */
  async ended(): Promise<void> {
    await Promise.all([...this.#jobs.values()].map(({ done }) => done));
    this.#agent.options.room.leave(this.#user);
    this.#agent.options.room.fill();
  }

  /**
   * Follows what the queue says now, and returns how many tasks it started:
   * 1. drop what another has answered meanwhile, and cancel what is cancelled;
   * 2. start the tasks that fall to this agent, as far as there is room: `claims` says which, and
   *    `ModelRoom` which bridge has its turn. A cancelled task needs no room at a model: it is answered
   *    with `cancelled`, a few at a time.
   */
  fill(): number {
    const { session, signal, claims, options } = this.#agent;
    const { goodAnswers, cancelled } = session.queue;
    this.#equal.forget(goodAnswers);
    for (const [id, { job }] of this.#jobs) {
      if (!session.isPending(id)) this.#drop(job, 'answered by another, or out of time');
      const cancel = cancelled.get(id);
      if (cancel !== undefined) job.cancelled(cancel);
    }
    if (signal.aborted) return 0;
    if (!claims.isAlone()) this.#giveBackWaiting();
    this.#letIn();
    const before = this.#started;
    options.room.fill();
    this.#sayQueued();
    return this.#started - before;
  }

  /** The task that waits because the models work for other bridges; null: none. */
  queued(): string | null {
    const { options } = this.#agent;
    const isRoomElsewhere = options.room.free() === 0 && this.#withModel() < options.parallel;
    if (!isRoomElsewhere) return null;
    return this.#front({ enough: 1, cancelled: 0 }).keys().next().value ?? null;
  }

  /** Says that task, because nobody sees it on this bridge. */
  #sayQueued(): void {
    const { claims, options } = this.#agent;
    if (options.room.isShared) claims.tell({ type: 'queued', task: this.queued() });
  }

  /** Starts at most `room` tasks, and cancelled ones besides. Returns how many of the former. */
  #take(room: number): number {
    const { session, signal, claims, queue } = this.#agent;
    const { goodAnswers, cancelled } = session.queue;
    if (signal.aborted) return 0;
    const limits = startLimits(this.#load(), room);
    // Who is alone takes the first ones, and need not look at hundreds after each answer.
    const most = claims.knowsNobody()
      ? { enough: limits.room + limits.ahead, cancelled: limits.cancelled }
      : { enough: MAX_FRONT, cancelled: limits.cancelled > 0 ? MAX_FRONT : 0 };
    const byId = this.#front(most);
    const left = this.#line.takeLeft();
    const starts = claims.choose({
      free: [...byId.keys()],
      left: left === null ? null : left.map(({ id }) => id),
      ...limits,
      isCancelled: (id) => cancelled.has(id),
      wants: (id) => (cancelled.has(id) ? null : queue.modelFor(id, goodAnswers)),
      seenMs: (id) => queue.seenMs(id),
    });
    for (const start of starts) {
      const asked = byId.get(start.task);
      if (asked !== undefined) this.#start(asked, start);
    }
    this.#started += starts.length;
    return starts.filter(({ task, isAhead = false }) => !isAhead && !cancelled.has(task)).length;
  }

  #front(most: { readonly enough: number; readonly cancelled: number }): Map<string, AskedTask> {
    return frontOfLine(this.#agent, this.#line, this.#isRunning, most);
  }

  #withModel(): number {
    return [...this.#jobs.values()].filter(({ job }) => job.takesRoom).length;
  }

  #load() {
    const jobs = Array.from(this.#jobs.values(), ({ job }) => job);
    const { session, options } = this.#agent;
    const { unpushed } = session;
    return { jobs, unpushed, generated: this.#generated, isRoomShared: options.room.isShared };
  }

  #enter(job: Job): Promise<void> {
    return new Promise((resolve) => {
      const { generating } = job;
      const enter = () => {
        this.#waiting.delete(job);
        generating.removeEventListener('abort', enter);
        resolve();
      };
      if (!job.isAhead || generating.aborted) return resolve();
      generating.addEventListener('abort', enter);
      this.#waiting.set(job, enter);
      this.#letIn();
    });
  }

  #letIn(): void {
    for (const [job, enter] of this.#waiting) {
      if (isFull(this.#load()) || this.#agent.options.room.free() === 0) return;
      job.entered();
      enter();
    }
  }

  /** Gives back the tasks that were claimed ahead: other agents are there, and may have room for them. */
  #giveBackWaiting(): void {
    for (const { job } of this.#jobs.values())
      if (job.isAhead) this.#drop(job, 'there is no room for it yet, and others are there');
  }

  #start(task: AskedTask, { claimFirst, isAhead = false }: StartTask): void {
    const { session, claims, notifier, signal } = this.#agent;
    const job = new Job(task, signal, isAhead);
    const cancel = session.queue.cancelled.get(task.id);
    if (cancel !== undefined) job.cancelled(cancel);
    const done = answerTask(this.#agent, job, {
      // No model works on a cancelled task, so two agents may answer it: main has one of the answers.
      claim: async () =>
        cancel !== undefined ||
        claims.begin(task.id, claimFirst, { signal: job.signal, drop: (why) => this.#drop(job, why) }),
      enter: () => this.#enter(job),
      equal: this.#equal,
      generated: () => {
        this.#generated += 1;
        job.generated();
        claims.tell({ type: 'generated', task: task.id });
        this.fill();
      },
      leave: (why) => this.#drop(job, why),
      keep: this.#keep,
    }).finally(() => {
      this.#jobs.delete(task.id);
      // Not before: the line would not have one that still runs among those that are left.
      if (job.signal.aborted) this.#line.changed();
      claims.end(task.id);
      this.fill();
      notifier.ring();
    });
    this.#jobs.set(task.id, { job, done });
  }

  #drop(job: Job, why: string): void {
    const { id } = job.asked;
    if (!job.drop(why)) return;
    this.#agent.options.log('info', `task ${shortId(id)}: ${why}`, { event: 'task-dropped', task: id });
  }
}

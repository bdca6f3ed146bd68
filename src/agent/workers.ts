import { shortId } from '../protocol/names.js';
import type { AskedTask } from '../protocol/queue.js';
import { answerTask } from './answer-task.js';
import { createKeeper } from './clone/finished-answers.js';
import { Job } from './job.js';
import type { AgentContext } from './open-agent.js';
import { EqualTasks } from './queue/equal-tasks.js';

/** The most answers that wait to be kept: a crash costs no more of the model's work than that. */
const MAX_KEEPING = 32;

/** The tasks that an agent answers at the same time. At most `parallel` of them are with a model. */
export class Workers {
  readonly #agent: AgentContext;
  readonly #jobs = new Map<string, { readonly job: Job; readonly done: Promise<void> }>();
  readonly #keep: ReturnType<typeof createKeeper>;
  readonly #equal = new EqualTasks();

  constructor(agent: AgentContext) {
    this.#agent = agent;
    this.#keep = createKeeper(agent.clone);
  }

  busy(): number {
    return this.#jobs.size;
  }

  /** Resolves once none runs any more. Abort the signal of the agent first. */
  async ended(): Promise<void> {
    await Promise.all([...this.#jobs.values()].map(({ done }) => done));
  }

  /**
   * Follows what the queue says now, and returns how many tasks it started:
   * 1. drop what another has answered meanwhile, and cancel what is cancelled;
   * 2. start the tasks that fall to this agent, as far as there is room: `claims` says which. A cancelled
   *    task needs no room: it is answered with `cancelled` at once.
   */
  fill(): number {
    const { session, signal, claims, queue } = this.#agent;
    const { goodAnswers, cancelled } = session.queue;
    this.#equal.forget(goodAnswers);
    for (const [id, { job }] of this.#jobs) {
      if (!session.isPending(id)) this.#drop(job, 'answered by another, or out of time');
      const cancel = cancelled.get(id);
      if (cancel !== undefined) job.cancelled(cancel);
    }
    if (signal.aborted) return 0;
    const free = session.openTasks().filter(({ id }) => !this.#jobs.has(id));
    const byId = new Map(free.map((task) => [task.id, task]));
    const starts = claims.choose({
      free: [...byId.keys()],
      room: this.#room(),
      takesNoRoom: (id) => cancelled.has(id),
      wants: (id) => (cancelled.has(id) ? null : queue.modelFor(id, goodAnswers)),
    });
    for (const { task, claimFirst } of starts) {
      const asked = byId.get(task);
      if (asked !== undefined) this.#start(asked, claimFirst);
    }
    return starts.length;
  }

  /**
   * A task that is cancelled, or whose answer is only to be kept, has left the model. Too many of them, and
   * it is the disk that everybody waits for.
   */
  #room(): number {
    const withModel = [...this.#jobs.values()].filter(({ job }) => job.takesRoom).length;
    const isFull = this.#jobs.size - withModel > MAX_KEEPING;
    return isFull ? 0 : Math.max(0, this.#agent.options.parallel - withModel);
  }

  #start(task: AskedTask, claimFirst: boolean): void {
    const { session, claims, notifier, signal } = this.#agent;
    const job = new Job(task, signal);
    const cancel = session.queue.cancelled.get(task.id);
    if (cancel !== undefined) job.cancelled(cancel);
    const done = answerTask(this.#agent, job, {
      claim: () =>
        claims.begin(task.id, claimFirst, { signal: job.signal, drop: (why) => this.#drop(job, why) }),
      equal: this.#equal,
      generated: () => {
        job.generated();
        claims.tell({ type: 'generated', task: task.id });
        this.fill();
      },
      leave: (why) => this.#drop(job, why),
      keep: this.#keep,
    }).finally(() => {
      this.#jobs.delete(task.id);
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

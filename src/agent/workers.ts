import type { Notifier } from '../bridge/notifier.js';
import type { Answer } from '../protocol/answer.js';
import { formatDuration } from '../protocol/duration.js';
import { DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';
import type { AskedTask } from '../protocol/queue.js';
import type { LogFields } from './agent-options.js';
import type { AgentSession } from './agent-session.js';
import type { Generating } from './claims/claims.js';
import { createKeeper } from './clone/finished-answers.js';
import type { CloneRepair } from './clone/repair-clone.js';
import { type Cancellation, openCancellation, unlessCancelled } from './generate/cancellation.js';
import { answerCancelled } from './generate/compose-answer.js';
import { runTask, type TaskContext } from './generate/run-task.js';
import { outlast } from './outlast.js';

/** The generations of an agent, at most `parallel` at once. */
export interface Workers {
  /** Starts pending tasks as far as there is room; answers how many it started. */
  fill(): number;
  busy(): number;
  /** Resolves once none runs any more. Abort the signal first. */
  ended(): Promise<void>;
}

/** So many answers at most wait to be kept while the model goes on: a crash costs no more of its work than that. */
const MAX_KEEPING = 32;

/**
 * Makes the workers of a session. Which tasks fall to this agent is for `claims` to say; one that another has answered meanwhile is dropped, and
 * one that is cancelled is answered so: at once, whatever else is generated. A finished answer is kept in the clone, then the next task is
 * started, then the bell is rung.
 */
export function startWorkers(
  session: AgentSession,
  notifier: Notifier,
  signal: AbortSignal,
  repair: CloneRepair,
): Workers {
  const jobs = new Map<string, Job>();
  const keepAnswer = createKeeper(session.clone);
  const answersByHash = new Map<string, Promise<Answer>>();
  const { log } = session.options;

  function fill(): number {
    let started = 0;
    // An answer that is seen on main is found there; it need not be held here as well.
    for (const hash of answersByHash.keys())
      if (session.queue?.goodAnswers.has(hash)) answersByHash.delete(hash);
    const finished = new Set(session.finished.map((one) => one.taskId));
    const pending = session.queue?.pending ?? [];
    const isPending = new Set(pending.map((asked) => asked.id));
    for (const [id, job] of jobs) if (!isPending.has(id)) job.drop('answered by another, or out of time');
    const cancelled = session.queue?.cancelled;
    for (const [id, cancel] of cancelled ?? []) jobs.get(id)?.cancellation.cancel(cancel);
    if (signal.aborted) return 0;
    const free = pending.filter(({ id }) => !jobs.has(id) && !finished.has(id) && !session.settled.has(id));
    // A task that is cancelled, or whose answer is only to be kept, has left the model. Too many of them, and it is the disk that
    // everybody waits for.
    const running = [...jobs.values()].filter(
      (job) => !job.isKeeping && job.cancellation.cancelled() === null,
    );
    const isFull = jobs.size - running.length > MAX_KEEPING;
    const room = isFull ? 0 : Math.max(0, session.options.parallel - running.length);
    const isCancelled = (id: string) => cancelled?.has(id) === true;
    for (const { task, claimFirst } of session.claims.choose(free, room, isCancelled)) {
      const dropped = new AbortController();
      const cancellation = openCancellation();
      const cancel = cancelled?.get(task.id);
      if (cancel !== undefined) cancellation.cancel(cancel);
      const drop = (why: string) => {
        if (dropped.signal.aborted || signal.aborted) return;
        log('info', `task ${shortId(task.id)}: ${why}`, { event: 'task-dropped', task: task.id });
        dropped.abort(new Error(why));
      };
      const generated = () => {
        const job = jobs.get(task.id);
        if (job !== undefined) job.isKeeping = true;
        fill();
      };
      const part = { drop, signal: AbortSignal.any([signal, dropped.signal]), cancellation, generated };
      jobs.set(task.id, { drop, cancellation, done: work(task, claimFirst, part), isKeeping: false });
      started += 1;
    }
    return started;
  }

  async function work(
    asked: AskedTask,
    claimFirst: boolean,
    job: Generating & { readonly cancellation: Cancellation; readonly generated: () => void },
  ): Promise<void> {
    const { maxTaskBytes = DEFAULT_MAX_TASK_BYTES, maxAnswerBytes = DEFAULT_MAX_ANSWER_BYTES } =
      session.terms ?? {};
    const limits = { maxTaskBytes, maxAnswerBytes };
    const startedAt = performance.now();
    const { cancellation } = job;
    const generating = AbortSignal.any([job.signal, cancellation.signal]);
    try {
      if (!(await session.claims.begin(asked.id, claimFirst, job))) return;
      job.signal.throwIfAborted();
      if (cancellation.cancelled() === null) {
        log('info', `task ${shortId(asked.id)} from ${oneLine(asked.asker)}: answering`, {
          event: 'task-started',
          task: asked.id,
          asker: oneLine(asked.asker),
        });
      }
      const context: TaskContext = {
        clone: session.clone,
        reader: session.reader,
        deepen: session.deepening.forTask(),
        generate: {
          ...session.options.generate,
          maxAnswerBytes: limits.maxAnswerBytes,
          log: (text) =>
            log('info', `task ${shortId(asked.id)}: ${text}`, { event: 'task-note', task: asked.id }),
        },
        agent: session.name,
        ...limits,
        now: () => session.serverNow(),
        goodAnswer: (hash) => session.queue?.goodAnswers.get(hash),
        running: answersByHash,
        onText: (text) => session.options.onText?.(asked.id, text),
        signal: generating,
      };
      // What a model does is an answer. Anything else (a full disk, a killed git) passes, and the task is not to be lost by it.
      const lasting = { log, signal: job.signal, once: false, passes: () => true };
      const generate = () =>
        outlast(() => repair.run(() => runTask(context, asked)), { ...lasting, signal: generating });
      const answer = await unlessCancelled(generate, cancellation, (cancel) => {
        const latencyMs = performance.now() - startedAt;
        const { reader, agent, now } = context;
        const step = () => answerCancelled({ reader, agent, now, latencyMs, ...limits }, asked, cancel);
        return outlast(() => repair.run(step), lasting);
      });
      job.generated();
      const keep = () => repair.run(() => keepAnswer(answer));
      // Once whatever the signal says: what was generated is kept, also when the end was asked for this very moment.
      const kept = await keep().catch(() => outlast(keep, lasting));
      // Not in one expression: that takes the list before it waits, and the loop may have put another in its place meanwhile.
      session.finished.push(kept);
      log(
        answer.error === null || answer.error.code === 'cancelled' ? 'info' : 'warn',
        `task ${shortId(asked.id)}: ${describe(answer)}`,
        fieldsOf(answer),
      );
    } catch (error) {
      if (job.signal.aborted) return;
      log('error', `task ${shortId(asked.id)}: ${oneLine(String(error))}`, {
        event: 'task-lost',
        task: asked.id,
      });
      session.settled.add(asked.id);
    } finally {
      jobs.delete(asked.id);
      session.claims.end(asked.id);
      fill();
      notifier.ring();
    }
  }

  return {
    fill,
    busy: () => jobs.size,
    ended: async () => {
      await Promise.all([...jobs.values()].map((job) => job.done));
    },
  };
}

/** A task that is being answered. */
interface Job {
  /** Ends it without an answer, and says why. */
  readonly drop: (why: string) => void;
  readonly cancellation: Cancellation;
  readonly done: Promise<void>;
  /** The model is done with it. */
  isKeeping: boolean;
}

function fieldsOf(answer: Answer): LogFields {
  return {
    event: answer.error === null ? 'task-answered' : 'task-failed',
    task: answer.task_commit,
    ...(answer.error === null ? {} : { code: answer.error.code }),
    model: answer.model,
    backend: answer.backend,
    latency_ms: answer.latency_ms,
    completion_tokens: answer.usage?.completion_tokens ?? null,
    cached: answer.cached === true,
  };
}

function describe(answer: Answer): string {
  if (answer.error !== null) return `error ${answer.error.code}: ${oneLine(answer.error.message)}`;
  const source = `${oneLine(answer.model ?? '')} via ${answer.backend ?? ''}`;
  if (answer.cached === true) return `answered from an equal task (${source})`;
  return `answered by ${source} in ${formatDuration(answer.latency_ms)}`;
}

import { untilAborted } from '../bridge/notifier.js';
import type { Answer } from '../protocol/answer.js';
import { formatDuration } from '../protocol/duration.js';
import { DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';
import { excerpt } from '../protocol/text.js';
import type { LogFields } from './agent-options.js';
import { MAX_ERROR_MESSAGE_CHARS } from './backends/backend-failure.js';
import type { FinishedAnswer } from './clone/finished-answers.js';
import type { Job } from './job.js';
import type { AgentContext } from './open-agent.js';
import { outlast } from './outlast.js';
import type { EqualTasks } from './queue/equal-tasks.js';
import { ForbiddenHere } from './queue/task-gate.js';
import { answerCancelled, runTask, type TaskContext } from './run-task.js';

/** What answering a task needs of those who start it. */
export interface AnswerSteps {
  /** Claims the task. False: another has it. */
  claim(): Promise<boolean>;
  /** Waits until a model has room for it, or nothing is to be generated any more. */
  enter(): Promise<void>;
  /** The model is done with it, so there is room for the next task. */
  generated(): void;
  /** Leaves it pending, and says why. */
  leave(why: string): void;
  keep(answer: Answer): Promise<FinishedAnswer>;
  readonly equal: EqualTasks;
}

/**
 * Answers one task. Never throws.
 * 1. Claim it. Where another agent may be about to take it, wait for the claim; where it was claimed ahead,
 *    wait for room.
 * 2. Generate. A task that is cancelled, before or meanwhile, is answered with `cancelled`. It is left to
 *    others where they have its model and this agent has not, where it forbids the model servers of this
 *    agent, and where this agent is a standby and could not answer it.
 * 3. Keep the answer in the clone: from then on it is not lost.
 * What a model does is an answer. Anything else (a full disk, a killed git) passes, and the step is done
 * again until it works.
 */
export async function answerTask(agent: AgentContext, job: Job, steps: AnswerSteps): Promise<void> {
  const { session, repair } = agent;
  const { log } = agent.options;
  const { id } = job.asked;
  try {
    if (!(await steps.claim())) return;
    await steps.enter();
    job.signal.throwIfAborted();
    const made = await generateUnlessCancelled(agent, job, steps.equal);
    const answer = leftByStandby(agent, job, await lookForModel(agent, job, made));
    if (typeof answer === 'string') {
      steps.leave(answer);
      return;
    }
    steps.generated();
    const keep = () => repair.run(() => steps.keep(answer));
    // Once, whatever the signal says: what was generated is kept even where the agent ends now.
    const kept = await keep().catch(() => outlast(keep, lasting(agent, job.signal)));
    session.unpushed.kept(kept);
    const isFine = answer.error === null || answer.error.code === 'cancelled';
    log(isFine ? 'info' : 'warn', `task ${shortId(id)}: ${describe(answer)}`, fieldsOf(answer));
  } catch (error) {
    if (job.signal.aborted) return;
    if (error instanceof ForbiddenHere) {
      agent.gate.forbid(id);
      steps.leave(`left: ${error.message}`);
      return;
    }
    log('error', `task ${shortId(id)}: ${oneLine(String(error))}`, { event: 'task-lost', task: id });
    session.settle(id);
  }
}

/**
 * Where the model was not found here: the reason to leave the task to the agents that have it; else the
 * answer, which says what the others have. The model servers are asked again before, because models come and
 * go and the agent's list may be old.
 */
async function lookForModel(
  { claims, queue, session }: AgentContext,
  { asked }: Job,
  answer: Answer,
): Promise<Answer | string> {
  if (answer.error?.code !== 'model_not_found') return answer;
  const wanted = queue.modelFor(asked.id, session.queue.goodAnswers);
  if (wanted === null) return answer;
  const { leaveTo, offered } = await claims.lookElsewhere(wanted);
  if (leaveTo.length > 0) return `left to ${leaveTo.join(', ')}: ${wanted.model} is not here any more`;
  if (offered === null) return answer;
  const message = excerpt(`${answer.error.message}; on other agents: ${offered}`, MAX_ERROR_MESSAGE_CHARS);
  return { ...answer, error: { ...answer.error, message } };
}

/**
 * The reason why a standby leaves a task that it could not answer; else the answer. An error would be final,
 * and the agent that is waited for may do better.
 */
function leftByStandby(
  { options, gate, session }: AgentContext,
  { asked }: Job,
  answer: Answer | string,
): Answer | string {
  if (options.afterMs === null || typeof answer === 'string') return answer;
  if (answer.error === null || answer.error.code === 'cancelled') return answer;
  gate.triedInVain(asked.id, session.serverNow());
  return `left, because this standby cannot answer it: ${describe(answer)}`;
}

function lasting({ options }: AgentContext, signal: AbortSignal) {
  const passes = (error: unknown) => !(error instanceof ForbiddenHere);
  return { log: options.log, signal, once: false, passes };
}

/**
 * No model is asked where the task is cancelled from the start. One that is cancelled later does not wait
 * for the end of its generation, which may itself be waiting for an equal task.
 */
async function generateUnlessCancelled(agent: AgentContext, job: Job, equal: EqualTasks): Promise<Answer> {
  const { session, repair, reader, options, claims } = agent;
  const { asked } = job;
  const { maxTaskBytes = DEFAULT_MAX_TASK_BYTES, maxAnswerBytes = DEFAULT_MAX_ANSWER_BYTES } =
    session.terms ?? {};
  const scope = {
    ...{ reader, agent: session.name, maxTaskBytes, maxAnswerBytes, now: () => session.serverNow() },
    saysCloud: session.terms?.hasStandby ?? true,
  };
  if (job.cancel === null) {
    const task = `task ${shortId(asked.id)}`;
    const asker = oneLine(asked.asker);
    options.log('info', `${task} from ${asker}: answering`, { event: 'task-started', task: asked.id, asker });
    const note = (text: string) =>
      options.log('info', `${task}: ${text}`, { event: 'task-note', task: asked.id });
    const context: TaskContext = {
      ...scope,
      clone: agent.clone,
      deepen: agent.deepening.forTask(),
      generate: {
        ...options.generate,
        maxAnswerBytes,
        log: note,
        onPhase: (phase, model) => claims.tell({ type: 'phase', task: asked.id, phase, model }),
      },
      goodAnswer: (key) => session.queue.goodAnswers.get(key),
      equal,
      onText: (text) => {
        claims.said(asked.id);
        options.onText?.(asked.id, text);
      },
      openStream: () =>
        session.terms?.hasStreams === true
          ? agent.streams.open(asked.id, { agent: session.name, now: scope.now })
          : null,
      signal: job.generating,
    };
    const generate = () =>
      outlast(
        () => repair.run(() => runTask(context, asked), job.generating),
        lasting(agent, job.generating),
      );
    try {
      return await untilAborted(generate(), job.cancelling);
    } catch (error) {
      if (job.cancel === null) throw error;
    }
  }
  const { cancel } = job;
  const latencyMs = performance.now() - job.startedAtMs;
  const answer = () => answerCancelled({ ...scope, latencyMs }, asked, cancel);
  return outlast(() => repair.run(answer, job.signal), lasting(agent, job.signal));
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
    attempts: answer.attempts ?? 1,
    cached: answer.cached === true,
  };
}

function describe(answer: Answer): string {
  if (answer.error !== null) return `error ${answer.error.code}: ${oneLine(answer.error.message)}`;
  const source = `${oneLine(answer.model ?? '')} via ${answer.backend ?? ''}`;
  if (answer.cached === true) return `answered from an equal task (${source})`;
  return `answered by ${source} in ${formatDuration(answer.latency_ms)}`;
}

import { updateElsewhere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import { dropFinished, type FinishedAnswer, keepFinished } from './clone/finished-answers.js';
import { composeAnswer } from './compose-answer.js';
import type { AgentContext } from './open-agent.js';

/**
 * Deals with an answer that the server refused:
 * - nobody waits for it any more: it is dropped;
 * - it breaks a rule: an error that says so takes its place;
 * - the clock, or the server itself, is at fault: throws BridgeError, retryable.
 * Throws BridgeError for what a person has to mend.
 */
export async function settleRefusal(
  agent: AgentContext,
  answer: FinishedAnswer,
  refusal: Refusal,
): Promise<void> {
  const { session, options, clone } = agent;
  const { taskId } = answer;
  const said = `task ${shortId(taskId)}: the server refused the answer: ${refusal.text}`;
  switch (refusal.code) {
    case 'answered':
    case 'expired':
    case 'unknown-task':
      options.log('info', said, { event: 'answer-refused', task: taskId, code: refusal.code });
      session.settle(taskId);
      session.unpushed.letGo([taskId]);
      await dropFinished(clone, [taskId]);
      session.wants('fetch');
      return;
    case 'payload':
    case 'limit':
    case 'message':
    case 'shape':
      return replaceRefused(agent, answer, refusal.text, said);
    case 'clock':
      // The clocks have drifted apart since the server was asked: ask for its terms again, and date the
      // answer again.
      session.forgetTerms();
      throw new BridgeError(said, { code: 'refused-clock', remedy: refusal.remedy, retryable: true });
    case 'internal':
      throw new BridgeError(said, { code: 'refused-internal', remedy: refusal.remedy, retryable: true });
    default:
      throw new BridgeError(said, { code: `refused-${refusal.code}`, remedy: refusal.remedy });
  }
}

/**
 * Replaces the answer by an error that says so, because somebody waits. Where the server refuses the error
 * as well, this run leaves the task alone; the answer stays in the clone, and the other tasks go on.
 */
async function replaceRefused(
  { session, options, clone }: AgentContext,
  { taskId, answer }: FinishedAnswer,
  text: string,
  said: string,
): Promise<void> {
  if (answer.error?.code === 'answer_refused') {
    const remedy = updateElsewhere('the server and the PC');
    options.log('error', `${said}; it refuses an error as well; try: ${remedy}`, {
      event: 'answer-refused',
      task: taskId,
    });
    session.settle(taskId);
    session.unpushed.letGo([taskId]);
    return;
  }
  options.log('warn', said, { event: 'answer-refused', task: taskId });
  const frame = {
    taskId,
    hash: answer.task_hash,
    task: null,
    agent: session.name,
    latencyMs: answer.latency_ms,
    nowMs: session.serverNow(),
    maxAnswerBytes: session.terms?.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  };
  const { model, backend } = answer;
  const error = { code: 'answer_refused', message: `the server refused the answer: ${text}` } as const;
  session.unpushed.kept(
    await keepFinished(clone, composeAnswer(frame, { model, backend, answer: null, error })),
  );
}

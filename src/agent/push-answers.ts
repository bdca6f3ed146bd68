import { setTimeout as sleep } from 'node:timers/promises';
import { connectBridge } from '../bridge/connection.js';
import { writeFileCommits } from '../git/commit-file.js';
import { REMOTE_MAIN_REF } from '../git/fetch.js';
import { type PushOutcome, pushCommit } from '../git/push.js';
import { updateRefs } from '../git/refs.js';
import { updateElsewhere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { answerMessage } from '../protocol/commit-message.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../protocol/limits.js';
import { INBOX_FILE, shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import { dropFinished, type FinishedAnswer, keepFinished } from './clone/finished-answers.js';
import { composeAnswer } from './generate/compose-answer.js';
import type { AgentContext } from './open-agent.js';

/** The most answers in one push: ordinary ones stay far below what the server takes at once. */
const MAX_BATCH = 100;
/** And the most bytes of them, below the server's `receive.maxInputSize` of at least 32 MiB. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;

/** The most claims that end in one push: it may have 60 refs. The others are released afterwards. */
const MAX_ENDS = 50;

/**
 * Pushes finished answers on top of `tip`, once: one commit each, in their order, and the claims of their
 * tasks go with them. What fits no more into the push is left for the next. `raced`: another push came first,
 * and a fetch is due; `settled`: whatever came of it is dealt with. Throws BridgeError for a refusal that is
 * not about one answer; `retryable` where it may pass.
 */
export async function pushAnswers(
  agent: AgentContext,
  tip: string,
  signal: AbortSignal,
): Promise<'raced' | 'settled'> {
  await connectBridge(agent.connection, signal);
  const batch = await firstBatch(agent);
  const outcome = await publish(agent, tip, batch, signal);
  if (outcome.status === 'raced') {
    agent.session.wants('fetch');
    // Agents that lost the same race should not run the next one in step.
    await sleep(Math.random() * 100, undefined, { signal });
    return 'raced';
  }
  if (outcome.status === 'refused') await settleRefusal(agent, outcome.answer, outcome.refusal);
  return 'settled';
}

async function firstBatch({ session, reader }: AgentContext): Promise<FinishedAnswer[]> {
  const batch: FinishedAnswer[] = [];
  let bytes = 0;
  for (const one of session.finished.slice(0, MAX_BATCH)) {
    bytes += (await reader.info(one.blob))?.size ?? 0;
    if (batch.length > 0 && bytes > MAX_BATCH_BYTES) break;
    batch.push(one);
  }
  return batch;
}

/** `refused`: the server will not have this one answer. */
type Published =
  | { readonly status: 'pushed'; readonly tip: string }
  | { readonly status: 'raced' }
  | { readonly status: 'refused'; readonly answer: FinishedAnswer; readonly refusal: Refusal };

/** Never merges: on a lost race the same small commits are built again on the new tip. */
async function publish(
  agent: AgentContext,
  tip: string,
  batch: readonly FinishedAnswer[],
  signal: AbortSignal,
): Promise<Published> {
  const { clone, reader, session } = agent;
  const commits = batch.map(({ blob, answer }) => ({
    file: INBOX_FILE,
    blob,
    message: answerMessage(answer),
    by: { name: session.name, atMs: session.serverNow() },
  }));
  const last = await writeFileCommits(clone, reader, tip, commits);
  const outcome = await pushWithClaims(agent, last, batch, signal);
  if (outcome.status === 'pushed') {
    await updateRefs(clone, [{ ref: REMOTE_MAIN_REF, to: last, from: tip }], 'pushed');
    session.reached(last);
    return { status: 'pushed', tip: last };
  }
  if (outcome.status === 'raced') return outcome;
  if (outcome.status !== 'refused') throw new Error('a push without claims failed for its claims');
  const [only, ...others] = batch;
  if (only !== undefined && others.length === 0) {
    return { status: 'refused', answer: only, refusal: outcome.refusal };
  }
  // A refusal names one commit of many; alone, each answer shows whether it was the one.
  let reached = tip;
  for (const one of batch) {
    const alone = await publish(agent, reached, [one], signal);
    if (alone.status !== 'pushed') return alone;
    reached = alone.tip;
  }
  return { status: 'pushed', tip: reached };
}

/** Where a claim was taken over, or cannot be deleted, the answers go alone. */
async function pushWithClaims(
  { clone, connection, claims }: AgentContext,
  commit: string,
  batch: readonly FinishedAnswer[],
  signal: AbortSignal,
): Promise<PushOutcome> {
  const to = { repo: clone, url: connection.address.url, signal };
  const ends = claims.endsOf(batch.map((one) => one.taskId)).slice(0, MAX_ENDS);
  const outcome = await pushCommit(to, commit, ends);
  if (outcome.status === 'pushed' || outcome.status === 'not-with-those') claims.ended(ends);
  if (outcome.status !== 'not-with-those') return outcome;
  return pushCommit(to, commit);
}

async function settleRefusal(agent: AgentContext, answer: FinishedAnswer, refusal: Refusal): Promise<void> {
  const { session, options, clone } = agent;
  const { taskId } = answer;
  const said = `task ${shortId(taskId)}: the server refused the answer: ${refusal.text}`;
  switch (refusal.code) {
    case 'answered':
    case 'expired':
    case 'unknown-task':
      options.log('info', said, { event: 'answer-refused', task: taskId, code: refusal.code });
      session.settle(taskId);
      session.letGo([taskId]);
      await dropFinished(clone, [taskId]);
      session.wants('fetch');
      return;
    case 'payload':
    case 'limit':
    case 'message':
    case 'shape':
      return replaceRefused(agent, answer, refusal.text, said);
    case 'clock':
      // The clocks drifted apart since the server was asked: ask again, and date the answer again.
      session.forgetTerms();
      throw new BridgeError(said, { code: 'refused-clock', remedy: refusal.remedy, retryable: true });
    case 'internal':
      throw new BridgeError(said, { code: 'refused-internal', remedy: refusal.remedy, retryable: true });
    default:
      throw new BridgeError(said, { code: `refused-${refusal.code}`, remedy: refusal.remedy });
  }
}

/**
 * The asker is owed a word: an answer that the server will not have is replaced by an error that says so.
 * Where it will not have that either, the task is left alone, with its answer in the clone, and the others go
 * on.
 */
async function replaceRefused(
  { session, options, clone }: AgentContext,
  { taskId, answer }: FinishedAnswer,
  text: string,
  said: string,
): Promise<void> {
  if (answer.error?.code === 'answer_refused') {
    const remedy = updateElsewhere('the server and the PC');
    options.log('error', `${said}; nor will it have an error; try: ${remedy}`, {
      event: 'answer-refused',
      task: taskId,
    });
    session.settle(taskId);
    session.letGo([taskId]);
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
  session.kept(await keepFinished(clone, composeAnswer(frame, { model, backend, answer: null, error })));
}

import { setTimeout as sleep } from 'node:timers/promises';
import { connectBridge } from '../bridge/connection.js';
import { writeFileCommits } from '../git/commit-file.js';
import { REMOTE_MAIN_REF } from '../git/fetch.js';
import { type PushOutcome, pushCommit } from '../git/push.js';
import { updateRefs } from '../git/refs.js';
import { answerMessage } from '../protocol/commit-message.js';
import { MAX_BATCH_BYTES } from '../protocol/limits.js';
import { INBOX_FILE } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { FinishedAnswer } from './clone/finished-answers.js';
import type { AgentContext } from './open-agent.js';
import { settleRefusal } from './settle-refusal.js';

/** The most claims that end in one push: it may have 60 refs. The others are released afterwards. */
const MAX_ENDS = 50;

/**
 * Pushes finished answers on top of `tip`, once: one commit each, in the order of `next`, and the claims of
 * their tasks go with them. Answers that do not fit into the push are left for the next. `raced`: another
 * push came first, and a fetch is due; `settled`: they were pushed, or the refusal was dealt with. Throws
 * BridgeError for a refusal that is not about one answer; `retryable` where it may pass.
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
    // Agents that lost the same race must not meet again in the next one.
    await sleep(Math.random() * 100, undefined, { signal });
    return 'raced';
  }
  if (outcome.status === 'refused') await settleRefusal(agent, outcome.answer, outcome.refusal);
  return 'settled';
}

async function firstBatch({ session, reader }: AgentContext): Promise<FinishedAnswer[]> {
  const batch: FinishedAnswer[] = [];
  let bytes = 0;
  for (const one of session.unpushed.next) {
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
  // The answers are kept already; the commits around them are made again on every tip.
  const last = await writeFileCommits({ ...clone, isDisposable: true }, reader, tip, commits);
  const outcome = await pushWithClaims(agent, last, batch, signal);
  if (outcome.status === 'pushed') {
    await updateRefs(clone, [{ ref: REMOTE_MAIN_REF, to: last, from: tip }], 'pushed');
    session.reached(last);
    session.unpushed.pushed();
    return { status: 'pushed', tip: last };
  }
  if (outcome.status === 'raced') return outcome;
  if (outcome.status !== 'refused') throw new Error('a push without claims failed for its claims');
  const [only, ...others] = batch;
  if (only !== undefined && others.length === 0) {
    return { status: 'refused', answer: only, refusal: outcome.refusal };
  }
  // The refusal is about one commit of many. Pushed alone, each answer shows whether it is the one.
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

import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileCommits } from '../git/commit-file.js';
import { REMOTE_MAIN_REF } from '../git/fetch.js';
import type { ObjectReader } from '../git/object-reader.js';
import { type PushOutcome, pushCommit } from '../git/push.js';
import { updateRefs } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { answerMessage } from '../protocol/commit-message.js';
import { INBOX_FILE } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { Claims } from './claims/claims.js';
import type { FinishedAnswer } from './clone/finished-answers.js';

/** Where answers are pushed from and to. */
export interface PublishContext {
  readonly clone: Repository;
  readonly reader: ObjectReader;
  readonly url: string;
  readonly agent: string;
  /** Knows the claims that end with the answers. */
  readonly claims: Pick<Claims, 'endsOf' | 'ended'>;
  /** The server's clock; milliseconds since the epoch. */
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** How the answers to some tasks fared. */
export type PublishOutcome =
  | { readonly status: 'pushed'; readonly tip: string }
  /** Another push came first: fetch, and see what is still wanted. */
  | { readonly status: 'raced' }
  /** The server will not have this one answer; for several, each is tried alone. */
  | { readonly status: 'refused'; readonly taskId: string; readonly refusal: Refusal };

/** The most answers in one push: a batch of ordinary answers stays far below what the server takes at once. */
const MAX_BATCH = 100;
/** And the most bytes of them, below the server's `receive.maxInputSize` of at least 32 MiB. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;

/** The most claims that end in one push: it may have 60 refs. The others are let go afterwards. */
const MAX_ENDS = 50;

/**
 * Commits finished answers on top of `tip`, one commit each in their order, and pushes them as one. Never merges: on a lost
 * race the same small commits are built again on the new tip. What fits no more into the push is left for the next.
 */
export async function publish(
  context: PublishContext,
  tip: string,
  finished: readonly FinishedAnswer[],
): Promise<PublishOutcome> {
  const batch = await firstBatch(context.reader, finished);
  const commits = batch.map(({ blob, answer }) => ({
    file: INBOX_FILE,
    blob,
    message: answerMessage(answer),
    by: { name: context.agent, atMs: context.now() },
  }));
  const last = await writeFileCommits(context.clone, context.reader, tip, commits);
  const outcome = await pushWithClaims(context, last, batch);
  if (outcome.status === 'pushed') {
    await updateRefs(context.clone, [{ ref: REMOTE_MAIN_REF, to: last, from: tip }], 'pushed');
    return { status: 'pushed', tip: last };
  }
  if (outcome.status === 'raced') {
    // Agents that lost the same race should not run the next one in step.
    await sleep(Math.random() * 100, undefined, { signal: context.signal });
    return { status: 'raced' };
  }
  if (outcome.status !== 'refused') throw new Error('a push without claims failed for its claims');
  const [only] = batch;
  if (batch.length === 1 && only !== undefined) {
    return { status: 'refused', taskId: only.taskId, refusal: outcome.refusal };
  }
  return publishOneByOne(context, tip, batch);
}

/**
 * Pushes the answers, and with them goes what this agent has claimed of their tasks. A claim that was taken over, or cannot be removed, is
 * no reason not to answer: then they go alone.
 */
async function pushWithClaims(
  context: PublishContext,
  commit: string,
  batch: readonly FinishedAnswer[],
): Promise<PushOutcome> {
  const to = { repo: context.clone, url: context.url, signal: context.signal };
  const ends = context.claims.endsOf(batch.map((one) => one.taskId)).slice(0, MAX_ENDS);
  const outcome = await pushCommit(to, commit, ends);
  if (outcome.status === 'pushed' || outcome.status === 'not-with-those') context.claims.ended(ends);
  if (outcome.status !== 'not-with-those') return outcome;
  return pushCommit(to, commit);
}

/** A refusal names one commit of many; alone each answer shows whether it was the one. */
async function publishOneByOne(
  context: PublishContext,
  tip: string,
  batch: readonly FinishedAnswer[],
): Promise<PublishOutcome> {
  let reached = tip;
  for (const one of batch) {
    const outcome = await publish(context, reached, [one]);
    if (outcome.status !== 'pushed') return outcome;
    reached = outcome.tip;
  }
  return { status: 'pushed', tip: reached };
}

async function firstBatch(
  reader: ObjectReader,
  finished: readonly FinishedAnswer[],
): Promise<FinishedAnswer[]> {
  const batch: FinishedAnswer[] = [];
  let bytes = 0;
  for (const one of finished.slice(0, MAX_BATCH)) {
    bytes += (await reader.info(one.blob))?.size ?? 0;
    if (batch.length > 0 && bytes > MAX_BATCH_BYTES) break;
    batch.push(one);
  }
  return batch;
}

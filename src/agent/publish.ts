import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileCommit } from '../git/commit-file.js';
import type { ObjectReader } from '../git/object-reader.js';
import { updateRefs } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { pushCommit, REMOTE_MAIN_REF, type Refusal } from '../git/transport.js';
import { answerMessage } from '../protocol/commit-message.js';
import { INBOX_FILE } from '../protocol/names.js';
import type { FinishedAnswer } from './finished-answers.js';

/** Where answers are pushed from and to. */
export interface PublishPlace {
  readonly clone: Repository;
  readonly reader: ObjectReader;
  readonly url: string;
  readonly agent: string;
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

/**
 * Commits finished answers on top of `tip`, one commit each in their order, and pushes them as one. Never merges: on a lost
 * race the same small commits are built again on the new tip. What fits no more into the push is left for the next.
 */
export async function publish(
  place: PublishPlace,
  tip: string,
  finished: readonly FinishedAnswer[],
): Promise<PublishOutcome> {
  const batch = await firstBatch(place.reader, finished);
  let parent = tip;
  for (const { blob, answer } of batch) {
    parent = await writeFileCommit(place.clone, place.reader, {
      parent,
      file: INBOX_FILE,
      blob,
      message: answerMessage(answer),
      by: { name: place.agent, atMs: place.now() },
    });
  }
  const outcome = await pushCommit(place.clone, place.url, parent, place.signal);
  if (outcome.status === 'pushed') {
    await updateRefs(place.clone, [{ ref: REMOTE_MAIN_REF, to: parent, from: tip }], 'pushed');
    return { status: 'pushed', tip: parent };
  }
  if (outcome.status === 'raced') {
    // Agents that lost the same race should not run the next one in step.
    await sleep(Math.random() * 100, undefined, { signal: place.signal });
    return { status: 'raced' };
  }
  const [only] = batch;
  if (batch.length === 1 && only !== undefined) {
    return { status: 'refused', taskId: only.taskId, refusal: outcome.refusal };
  }
  return publishOneByOne(place, tip, batch);
}

/** A refusal names one commit of many; alone each answer shows whether it was the one. */
async function publishOneByOne(
  place: PublishPlace,
  tip: string,
  batch: readonly FinishedAnswer[],
): Promise<PublishOutcome> {
  let reached = tip;
  for (const one of batch) {
    const outcome = await publish(place, reached, [one]);
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

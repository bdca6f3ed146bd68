import type { Committed } from '../../asker/commit-local.js';
import type { BridgeView } from '../../bridge/bridge-view.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { askMessage } from '../../protocol/commit-message.js';
import { MAX_COMMITS_PER_PUSH } from '../../protocol/limits.js';
import { taskHash } from '../../protocol/task.js';
import { draftCancel } from '../call-drafts.js';
import type { QueuedMessage } from '../commit-batch.js';
import { type BatchHead, markOf } from './batch-head.js';
import type { BatchIndex } from './batch-index.js';
import { draftOf, type LineRules, readLine } from './batch-lines.js';
import { isOpen } from './batch-object.js';
import { readLines } from './file-lines.js';

/** What batches need of a bridge. */
export interface BatchBridge {
  readonly view: BridgeView;
  /** Puts a message on main, together with others of the same moment. */
  readonly submit: (what: QueuedMessage) => Promise<Committed>;
  /** Brings main as it is here up to date. */
  readonly refresh: () => Promise<unknown>;
}

/** A batch that is to be taken in. */
export interface BatchPlan {
  readonly id: string;
  readonly head: BatchHead;
  readonly file: string;
  /** The rest of the metadata of each of its tasks: the gateway and the token. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly modelOf?: LineRules['modelOf'];
  /** The `Idempotency-Key` that it was made with. */
  readonly key?: string | undefined;
  /** Whether no third party may read it. */
  readonly localOnly?: boolean | undefined;
}

/** So much is put on main at a time: another client that asks meanwhile waits for no more than that. */
const CHUNK_TASKS = MAX_COMMITS_PER_PUSH;
const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Makes a task of each request of a batch that has none yet: so a gateway that was killed in the middle goes
 * on from the file, and nothing is asked twice. Stops once `isWanted` is false. Throws what asking throws,
 * and BridgeError `usage` where the file has changed.
 */
export async function takeIn(
  { view, submit, refresh }: BatchBridge,
  index: BatchIndex,
  plan: BatchPlan,
  isWanted: () => boolean,
): Promise<'done' | 'stopped'> {
  const { id, head, metadata } = plan;
  const { maxTaskBytes } = view.terms;
  const { endpoint } = head;
  await refresh();
  await index.refresh({ now: true });
  const there = index.get(id)?.tasks;
  let chunk: QueuedMessage[] = [];
  let bytes = 0;
  let pushing: Promise<boolean> = Promise.resolve(true);
  /** Puts what is gathered on main once the part before it is there; more is read meanwhile. */
  const flush = async (): Promise<boolean> => {
    if (!(await pushing)) return false;
    const part = chunk;
    chunk = [];
    bytes = 0;
    pushing = push(part);
    // The next flush awaits it.
    pushing.catch(() => {});
    return true;
  };
  const push = async (part: readonly QueuedMessage[]): Promise<boolean> => {
    const results = await Promise.allSettled(part.map(submit));
    const failed = results.find(({ status }) => status === 'rejected');
    // A task that is not wanted any more is not asked: that is no failure.
    if (failed?.status === 'rejected' && isWanted()) throw failed.reason;
    return failed === undefined;
  };
  let isFirst = true;
  for await (const { line, bytes: text } of readLines(plan.file, maxTaskBytes)) {
    const mark = isFirst ? head : null;
    isFirst = false;
    if (there?.has(line)) continue;
    const read = readLine(line, text, { endpoint, maxTaskBytes, isChecked: true, modelOf: plan.modelOf });
    if ('code' in read) throw changed(`line ${line}: ${read.message}`);
    const { customId, body } = read;
    const marked = { ...metadata, ...markOf({ id, customId, line, head: mark, key: plan.key }) };
    const draft = draftOf({
      ...{ id: `${id}/${line}`, endpoint, body, maxTaskBytes, metadata: marked },
      localOnly: plan.localOnly,
    });
    if (draft instanceof BridgeError) throw draft;
    const message = askMessage({ hash: taskHash(draft.bytes), question: draft.question });
    chunk.push({ file: draft.file, bytes: draft.bytes, message, isWanted });
    bytes += draft.bytes.length;
    if (chunk.length < CHUNK_TASKS && bytes < CHUNK_BYTES) continue;
    if (!isWanted() || !(await flush())) return 'stopped';
  }
  return isWanted() && (await flush()) && (await pushing) ? 'done' : 'stopped';
}

/** Cancels the open tasks of a batch, with a reason that is read back later. Throws what asking throws. */
export async function giveUp(
  { view, submit, refresh }: BatchBridge,
  index: BatchIndex,
  { id, reason }: { readonly id: string; readonly reason: string },
  isWanted: () => boolean,
): Promise<void> {
  await refresh();
  await index.refresh({ now: true });
  const open = [...(index.get(id)?.tasks.values() ?? [])].filter(isOpen);
  for (let at = 0; at < open.length && isWanted(); at += CHUNK_TASKS) {
    const part = open.slice(at, at + CHUNK_TASKS);
    const results = await Promise.allSettled(
      part.map(({ task }) => submit({ ...draftCancel(task, view, reason), isWanted })),
    );
    await refresh();
    await index.refresh({ now: true });
    // Its answer may have come first.
    const failed = results.find(
      (one, n) => one.status === 'rejected' && part[n] !== undefined && isOpen(part[n]),
    );
    if (failed?.status === 'rejected') throw failed.reason;
  }
}

function changed(what: string): BridgeError {
  return new BridgeError(`the file of the batch is not what it was: ${what}`, {
    code: 'usage',
    remedy: 'send it again, as a batch of its own',
  });
}

import { type BatchHead, CANCELLED, EXPIRED, expiresAtMs } from './batch-head.js';
import type { BatchTask, KnownBatch } from './batch-index.js';
import type { BatchJournal } from './batch-journals.js';
import type { LineError } from './batch-lines.js';

/** The states of a batch, in OpenAI's words. */
export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

/** All that is known of a batch. */
export interface BatchFacts {
  readonly id: string;
  readonly head: Omit<BatchHead, 'total'> & { readonly total: number | null };
  /** What history has of it; null where that is nothing yet. */
  readonly known: KnownBatch | null;
  /** Why it cannot be asked; empty where it can. */
  readonly errors: readonly LineError[];
  /** Whether its file is still being looked through. */
  readonly isValidating: boolean;
  /** Whether its results, once all are there, are still to be looked through. */
  readonly isToFinish: boolean;
  /** Whether it was cancelled before history can say so. */
  readonly isCancelled: boolean;
}

/** What history alone says of a batch. */
export function factsOfKnown(known: KnownBatch): BatchFacts {
  const { id, head } = known;
  return { id, head, known, errors: [], isValidating: false, isToFinish: false, isCancelled: false };
}

/**
 * A cancelled batch is `cancelling` until no answer has come for this long: what was finished when its agent
 * heard of the cancel is pushed first, and its results are to be complete when it says `cancelled`. Tasks
 * that nobody begins, as of a PC that sleeps, are not waited for. Milliseconds.
 */
const SETTLE_MS = 5_000;

/** How far a batch is. `nowMs`: by the server's clock, since the epoch. */
export function batchStatus(facts: BatchFacts, nowMs: number): BatchStatus {
  const { known, head, errors, isValidating } = facts;
  if (errors.length > 0) return 'failed';
  const tasks = [...(known?.tasks.values() ?? [])];
  const open = tasks.filter(isOpen).length;
  if (facts.isCancelled || tasks.some(({ cancel }) => cancel?.reason === CANCELLED))
    return open > 0 || isSettling(tasks, nowMs) ? 'cancelling' : 'cancelled';
  if (tasks.some(({ cancel, answer }) => cancel?.reason === EXPIRED && !isWhole(answer))) return 'expired';
  if (head.total !== null && tasks.length >= head.total && open === 0)
    return facts.isToFinish ? 'finalizing' : 'completed';
  if (nowMs >= expiresAtMs({ ...head, total: 1 })) return 'expired';
  return isValidating ? 'validating' : 'in_progress';
}

/** Whether a batch is over, so that its results can be fetched. */
export function isOver(status: BatchStatus): boolean {
  return ['failed', 'completed', 'expired', 'cancelled'].includes(status);
}

/** Whether a request waits for its answer. */
export function isOpen({ answer, cancel }: BatchTask): boolean {
  return answer === null && cancel === null;
}

/** Whether answers that were finished before the cancel may still be on their way. */
function isSettling(tasks: readonly BatchTask[], nowMs: number): boolean {
  if (tasks.every(({ answer }) => answer !== null)) return false;
  const news = tasks.map(({ answer, cancel }) => (answer?.isGood ? answer.atMs : (cancel?.atMs ?? 0)));
  return nowMs < news.reduce((last, atMs) => Math.max(last, atMs), 0) + SETTLE_MS;
}

/** Whether it is a good answer. An error answer is none: `cancelled` only says that the cancel was heard. */
function isWhole(answer: BatchTask['answer']): boolean {
  return answer?.isGood === true;
}

/** The two files of results: of the requests that went well, and of those that did not. */
export type ResultKind = 'output' | 'errors';

/** The id of the file of results of a batch. */
export function resultFileId(batchId: string, kind: ResultKind): string {
  return `file-${batchId.slice('batch_'.length)}-${kind}`;
}

/** Which results a file id is of; null where it is of none. */
export function resultFileOf(fileId: string): { readonly id: string; readonly kind: ResultKind } | null {
  const found = /^file-([0-9a-f]{24})-(output|errors)$/.exec(fileId);
  return found === null ? null : { id: `batch_${found[1]}`, kind: found[2] as ResultKind };
}

/** The requests whose results are in a file, in the order of the lines. */
export function tasksOfFile({ tasks }: KnownBatch, kind: ResultKind): BatchTask[] {
  return [...tasks.values()]
    .filter(({ answer }) => isWhole(answer) === (kind === 'output'))
    .sort((a, b) => a.line - b.line);
}

/** A batch in OpenAI's form. */
export function batchObject(
  facts: BatchFacts,
  nowMs: number,
): Readonly<Record<string, unknown>> & { id: string } {
  const { id, head, known, errors } = facts;
  const status = batchStatus(facts, nowMs);
  let [good, bad, endedMs, cancellingMs, cancelledMs] = [0, 0, 0, nowMs, 0];
  for (const { answer, cancel } of known?.tasks.values() ?? []) {
    if (answer?.isGood === true) good += 1;
    else if (answer !== null && !isGivenUp(cancel)) bad += 1;
    endedMs = Math.max(endedMs, answer?.atMs ?? cancel?.atMs ?? 0);
    if (cancel?.reason !== CANCELLED) continue;
    cancellingMs = Math.min(cancellingMs, cancel.atMs);
    cancelledMs = Math.max(cancelledMs, cancel.atMs);
  }
  const at = (isSo: boolean, ms = endedMs) => (isSo ? Math.floor((ms === 0 ? nowMs : ms) / 1000) : null);
  const isDone = isOver(status) && status !== 'failed';
  const fileOf = (kind: ResultKind) =>
    isDone && known !== null && tasksOfFile(known, kind).length > 0 ? resultFileId(id, kind) : null;
  return {
    id,
    object: 'batch',
    endpoint: head.endpoint,
    errors: errors.length === 0 ? null : { object: 'list', data: errors },
    input_file_id: head.input_file_id,
    completion_window: head.completion_window,
    status,
    output_file_id: fileOf('output'),
    error_file_id: fileOf('errors'),
    created_at: head.created_at,
    in_progress_at: known === null ? null : Math.floor(known.begunAtMs / 1000),
    expires_at: Math.floor(expiresAtMs({ ...head, total: 1 }) / 1000),
    finalizing_at: at(status === 'finalizing' || status === 'completed'),
    completed_at: at(status === 'completed'),
    failed_at: at(status === 'failed', head.created_at * 1000),
    expired_at: at(status === 'expired', expiresAtMs({ ...head, total: 1 })),
    cancelling_at: at(status === 'cancelling' || status === 'cancelled', cancellingMs),
    cancelled_at: at(status === 'cancelled', cancelledMs),
    request_counts: { total: head.total ?? 0, completed: good, failed: bad },
    metadata: head.metadata,
  };
}

/** Whether it was given up with its batch, and not by itself. */
export function isGivenUp(cancel: BatchTask['cancel']): boolean {
  return cancel?.reason === CANCELLED || cancel?.reason === EXPIRED;
}

/** What its journal and history say of a batch. At least one of the two has to be there. */
export function factsOf(journal: BatchJournal | null, known: KnownBatch | null): BatchFacts {
  const head = journal?.head ?? known?.head;
  const id = journal?.id ?? known?.id;
  if (head === undefined || id === undefined) throw new Error('a batch has a journal, or tasks');
  const state = journal?.state;
  return {
    ...{ id, head, known, errors: journal?.errors ?? [] },
    isValidating: state === 'validating',
    isToFinish: state === 'taking' || state === 'made',
    isCancelled: state === 'cancelling' || state === 'cancelled',
  };
}

/** The token that a batch belongs to; null where it was made without one. */
export function tokenOf({ known }: BatchFacts, journal: BatchJournal | null): string | null {
  return journal === null ? (known?.token ?? null) : journal.token;
}

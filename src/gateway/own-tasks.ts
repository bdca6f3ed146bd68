import { type FoundAnswer, readFoundAnswer } from '../asker/find-answer.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { LargeMessages } from '../log/large-messages.js';
import { TaskRecords } from '../log/task-records.js';
import { type HistoryCommit, type HistoryMessage, messageOf } from '../protocol/history.js';
import { readTask } from '../protocol/task.js';
import { type CallIdentity, identityOf } from './call-content.js';
import type { KeptCalls } from './kept-calls.js';

/** A task that a gateway has asked, as the record has it. */
export interface OwnTask extends CallIdentity {
  readonly task: string;
  readonly idempotencyKey: string | null;
  readonly isStreamed: boolean;
  /** Null where it is open. */
  readonly answer: FoundAnswer | null;
}

/** Which tasks are looked for. */
export interface OwnTasksQuery {
  /** The author of their commits. */
  readonly name: string;
  /** Their `metadata.gateway`. */
  readonly gateway: string;
  /** A task is left out once its answer is older than this. Milliseconds. */
  readonly lingerMs: number;
  /** At most so many, the newest. */
  readonly max: number;
}

/** No client waits for longer, with all its retries. Milliseconds. */
const LONGEST_WAIT_MS = 3_600_000;

/**
 * Finds what this gateway asked before it was started again, and may still be asked for: tasks that are
 * open, and those that were answered a moment ago, maybe while it was not there. The oldest first. Tasks
 * that go on without a client (`metadata.background`, `metadata.batch`) are left out. `tip`: the commit of
 * main to read from.
 */
export async function findOwnTasks(view: BridgeView, tip: string, query: OwnTasksQuery): Promise<OwnTask[]> {
  const { repo, terms } = view;
  const nowMs = terms.serverNow();
  const commits = await readHistory(repo, { from: [tip], sinceMs: nowMs - LONGEST_WAIT_MS });
  const settled = new Map<string, HistoryCommit>();
  const cancelled = new Set<string>();
  const asked: Extract<HistoryMessage, { kind: 'task' }>[] = [];
  for (const message of commits.map(messageOf)) {
    const { commit } = message;
    if (message.kind === 'answer') settled.set(commit.taskTrailer, commit);
    else if (message.kind === 'cancel') cancelled.add(commit.taskTrailer);
    else if (message.kind === 'task' && message.file === 'task.json' && commit.author === query.name)
      asked.push(message);
  }
  const isWanted = ({ id }: HistoryCommit) => {
    const answer = settled.get(id);
    if (answer === undefined) return !cancelled.has(id);
    // git's dates have no fractions of a second.
    return nowMs - answer.committedAtMs <= query.lingerMs + 1_000;
  };
  const reader = openObjectReader(repo);
  try {
    const found: OwnTask[] = [];
    const records = new TaskRecords(repo, reader);
    const large = new LargeMessages(view, { tasks: true });
    // From the newest on: there may be ten thousand tasks of a batch between those of clients.
    for (const { commit, change } of asked.filter((one) => isWanted(one.commit)).reverse()) {
      if (found.length === query.max) break;
      let blob = await reader.read(change.newId);
      if (blob === null) {
        await large.bringTask(commit.id);
        blob = await reader.read(change.newId);
      }
      const read = readTask('task.json', blob?.content ?? Buffer.alloc(0), Number.POSITIVE_INFINITY);
      if (!read.ok || read.value.request === undefined) continue;
      const { request, metadata = {}, stream } = read.value;
      if (metadata.gateway !== query.gateway) continue;
      if (metadata.background !== undefined || metadata.batch !== undefined) continue;
      const settledBy = settled.get(commit.id);
      found.push({
        ...identityOf(read.value, request),
        task: commit.id,
        idempotencyKey: metadata.idempotency_key ?? null,
        isStreamed: stream === true,
        answer: settledBy === undefined ? null : await readFoundAnswer(view, { reader, records }, settledBy),
      });
    }
    return found.reverse();
  } finally {
    reader.close();
  }
}

/** Takes up what was asked before this gateway was started again: its clients may come back. */
export function takeUp(kept: KeptCalls, tasks: readonly OwnTask[]): void {
  for (const own of tasks) {
    const call = kept.add(own);
    kept.onMain(call, own.task, own.isStreamed);
    if (own.answer !== null) kept.answered(own.task, own.answer);
    call.linger();
  }
}

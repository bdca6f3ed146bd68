import { type FoundAnswer, findAnswer } from '../../asker/find-answer.js';
import { findTask, findTaskAnywhere } from '../../asker/find-task.js';
import type { BridgeView } from '../../bridge/bridge-view.js';
import { openObjectReader } from '../../git/object-reader.js';
import { readHistory } from '../../git/read-history.js';
import { readRef } from '../../git/refs.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../../protocol/history.js';
import { isExpired } from '../../protocol/queue.js';
import type { TaskRequest } from '../../protocol/request.js';
import { readTask } from '../../protocol/task.js';

/** An API call of the record, as it was asked. */
export interface StoredTask extends TaskRequest {
  readonly task: string;
  readonly askedAtMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What became of a call, as far as main says it. */
export type StoredState =
  | { readonly status: 'open' | 'cancelled' | 'expired' }
  | { readonly status: 'answered'; readonly found: FoundAnswer };

/** The most calls that are remembered, and their bytes on main; others are read again. */
const MAX_KNOWN = 10_000;
const MAX_KNOWN_BYTES = 32 * 1024 * 1024;

interface Known {
  readonly stored: StoredTask;
  readonly bytes: number;
  /** The commit of main up to which it was looked for what became of the call. */
  seen: string;
  isCancelled: boolean;
  isAnswered: boolean;
}

/**
 * The API calls in the record of a bridge, by the ids of their tasks, also those that other gateways asked.
 * A call that is asked for again and again is read once; after that only new commits are looked through.
 */
export class StoredTasks {
  readonly #view: BridgeView;
  readonly #known = new Map<string, Known>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(view: BridgeView, maxBytes = MAX_KNOWN_BYTES) {
    this.#view = view;
    this.#maxBytes = maxBytes;
  }

  /** Whether this task is on main, as far as it is known here: nothing is fetched for it. */
  async isHere(task: string): Promise<boolean> {
    return this.#known.has(task) || (await this.#view.mended(() => findTask(this.#view, task))) !== null;
  }

  /** The call of this task; null where no API call has this id. Throws what reading the bridge throws. */
  async find(task: string): Promise<StoredTask | null> {
    const known = this.#known.get(task);
    if (known !== undefined) return known.stored;
    const read = await this.#view.mended(() => this.#read(task));
    if (read === null) return null;
    this.#forget(task);
    this.#known.set(task, { ...read, seen: task, isCancelled: false, isAnswered: false });
    this.#bytes += read.bytes;
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN && this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    return read.stored;
  }

  #forget(task: string): void {
    this.#bytes -= this.#known.get(task)?.bytes ?? 0;
    this.#known.delete(task);
  }

  /** What became of it by now. */
  async state(stored: StoredTask): Promise<StoredState> {
    const known = this.#known.get(stored.task) ?? {
      ...{ stored, bytes: 0, seen: stored.task, isCancelled: false, isAnswered: false },
    };
    const found = await this.#view.mended(async () => {
      await this.#catchUp(known);
      return known.isAnswered ? await findAnswer(this.#view, stored.task) : null;
    });
    if (found !== null) return { status: 'answered', found };
    if (known.isCancelled) return { status: 'cancelled' };
    const { serverNow, taskTtlMs: ttlMs } = this.#view.terms;
    return { status: isExpired(stored.askedAtMs, { nowMs: serverNow(), ttlMs }) ? 'expired' : 'open' };
  }

  async #catchUp(known: Known): Promise<void> {
    if (known.isAnswered) return;
    const { repo, ref } = this.#view;
    const tip = await readRef(repo, ref);
    if (tip === null || tip === known.seen) return;
    const { task } = known.stored;
    // Answers and cancels name their task, so git need not print thousands of others.
    for (const commit of await readHistory(repo, { from: [tip], not: [known.seen], messageLike: task })) {
      if (commit.taskTrailer !== task) continue;
      const { kind } = messageOf(commit);
      if (kind === 'answer') known.isAnswered = true;
      if (kind === 'cancel') known.isCancelled = true;
    }
    known.seen = tip;
  }

  async #read(task: string): Promise<Pick<Known, 'stored' | 'bytes'> | null> {
    const commit = await this.#commitOf(task);
    if (commit === null) return null;
    const message = messageOf(commit);
    if (message.kind !== 'task' || message.file !== 'task.json') return null;
    const reader = openObjectReader(this.#view.repo);
    try {
      await this.#view.requireFile(commit);
      const blob = await reader.read(message.change.newId);
      const read = readTask('task.json', blob?.content ?? Buffer.alloc(0), Number.POSITIVE_INFINITY);
      if (!read.ok || read.value.request === undefined) return null;
      const { request, metadata = {} } = read.value;
      const stored = { ...request, task, askedAtMs: commit.committedAtMs, metadata };
      return { stored, bytes: blob?.content.length ?? 0 };
    } finally {
      reader.close();
    }
  }

  async #commitOf(task: string): Promise<HistoryCommit | null> {
    try {
      return await findTaskAnywhere(this.#view, task);
    } catch (error) {
      if (error instanceof BridgeError && error.code === 'no-such-task') return null;
      throw error;
    }
  }
}

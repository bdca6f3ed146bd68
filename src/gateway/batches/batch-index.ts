import type { BridgeView } from '../../bridge/bridge-view.js';
import { type ObjectReader, openObjectReader } from '../../git/object-reader.js';
import { walkHistory } from '../../git/read-history.js';
import { readRef } from '../../git/refs.js';
import { readCancel } from '../../protocol/cancel.js';
import { type HistoryCommit, messageOf } from '../../protocol/history.js';
import { readTask } from '../../protocol/task.js';
import { type BatchHead, readMark } from './batch-head.js';

/** A request of a batch, as history has it. */
export interface BatchTask {
  readonly task: string;
  readonly customId: string;
  readonly line: number;
  /** What answers it; null where nothing does yet. */
  answer: { readonly blob: string; readonly atMs: number; readonly isGood: boolean } | null;
  /** Who cancelled it says why; null where nobody did. */
  cancel: { readonly reason: string; readonly atMs: number } | null;
}

/** A batch, as history has it. */
export interface KnownBatch {
  readonly id: string;
  /** The name of the token that it came with; null where it came without one. */
  readonly token: string | null;
  readonly asker: string;
  readonly head: BatchHead;
  /** When its first task was asked. Milliseconds since the epoch. */
  readonly begunAtMs: number;
  /** By line, in the order of asking. */
  readonly tasks: Map<number, BatchTask>;
}

/** Batches are found as far back as this, as OpenAI keeps theirs. Milliseconds. */
const REACH_MS = 30 * 24 * 60 * 60 * 1000;

/** Main is looked at at most so often. Milliseconds. */
const LOOK_MS = 250;

/**
 * The batches of a bridge, from its history alone: it is read once, and then only what is new. A task counts
 * for the batch whose id, asker and token it has, and a line only once, so nobody adds to the batch of
 * another.
 */
export class BatchIndex {
  readonly #view: BridgeView;
  readonly #batches = new Map<string, KnownBatch>();
  readonly #byTask = new Map<string, BatchTask>();
  #seen: string | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;

  constructor(view: BridgeView) {
    this.#view = view;
  }

  /** Takes in what is new on main as it is here. `now`: however short ago it was looked at. */
  async refresh({ now = false }: { readonly now?: boolean } = {}): Promise<void> {
    if (this.#running !== null) await this.#running;
    if (!now && performance.now() - this.#lookedAtMs < LOOK_MS) return;
    this.#running ??= this.#view
      .mended(() => this.#read())
      .finally(() => {
        this.#running = null;
        this.#lookedAtMs = performance.now();
      });
    await this.#running;
  }

  get(id: string): KnownBatch | null {
    return this.#batches.get(id) ?? null;
  }

  /** The newest first. */
  all(): KnownBatch[] {
    return [...this.#batches.values()].reverse();
  }

  async #read(): Promise<void> {
    const { repo, ref, terms } = this.#view;
    const tip = await readRef(repo, ref);
    if (tip === null || tip === this.#seen) return;
    const range = this.#seen === null ? { sinceMs: terms.serverNow() - REACH_MS } : { not: [this.#seen] };
    const reader = openObjectReader(repo);
    try {
      for await (const commit of walkHistory(repo, { from: [tip], ...range }))
        await this.#take(reader, commit);
    } finally {
      reader.close();
    }
    this.#seen = tip;
  }

  async #take(reader: ObjectReader, commit: HistoryCommit): Promise<void> {
    const message = messageOf(commit);
    if (message.kind === 'task') {
      if (message.file === 'task.json') await this.#takeTask(reader, commit, message.change.newId);
      return;
    }
    const task = this.#byTask.get(commit.taskTrailer);
    if (task === undefined) return;
    const { committedAtMs: atMs, statusTrailer } = commit;
    if (message.kind === 'answer') {
      const isGood = !statusTrailer.startsWith('error');
      task.answer ??= { blob: message.change.newId, atMs, isGood };
    } else if (message.kind === 'cancel' && task.cancel === null) {
      const blob = await reader.read(message.change.newId);
      const read = readCancel(blob?.content ?? Buffer.alloc(0));
      task.cancel = { reason: read.ok ? (read.value.reason ?? '') : '', atMs };
    }
  }

  async #takeTask(reader: ObjectReader, commit: HistoryCommit, blob: string): Promise<void> {
    const { id: task, author: asker, committedAtMs } = commit;
    if (this.#byTask.has(task)) return;
    const content = (await reader.read(blob))?.content;
    // Most tasks are of none, and a long history has many.
    if (content?.includes('"batch"') !== true) return;
    const read = readTask('task.json', content, Number.POSITIVE_INFINITY);
    const mark = read.ok && read.value.request !== undefined ? readMark(read.value.metadata ?? {}) : null;
    if (!read.ok || mark === null) return;
    const token = read.value.metadata?.token ?? null;
    const { id, head, line, customId } = mark;
    if (head !== null && !this.#batches.has(id))
      this.#batches.set(id, { id, token, asker, head, begunAtMs: committedAtMs, tasks: new Map() });
    const batch = this.#batches.get(id);
    if (batch === undefined || batch.asker !== asker || batch.token !== token) return;
    if (batch.tasks.has(line)) return;
    const found: BatchTask = { task, customId, line, answer: null, cancel: null };
    batch.tasks.set(line, found);
    this.#byTask.set(task, found);
  }
}

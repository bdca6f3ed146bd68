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
  answer: {
    readonly blob: string;
    readonly commit: string;
    readonly atMs: number;
    readonly isGood: boolean;
  } | null;
  /** Its cancel; null where nobody cancelled it. */
  cancel: { readonly reason: string; readonly atMs: number } | null;
}

/** A batch, as history has it. */
export interface KnownBatch {
  readonly id: string;
  /** The name of the token that it came with; null where it came without one. */
  readonly token: string | null;
  readonly asker: string;
  readonly head: BatchHead;
  /** The `Idempotency-Key` that it was made with; null where it had none. */
  readonly key: string | null;
  /** Whether no third party may read it. */
  readonly localOnly: boolean;
  /** When its first task was asked. Milliseconds since the epoch. */
  readonly begunAtMs: number;
  /** By line, in the order of asking. */
  readonly tasks: Map<number, BatchTask>;
}

/** How far back history is read at first: as long as OpenAI keeps batches. Milliseconds. */
const REACH_MS = 30 * 24 * 60 * 60 * 1000;

/** Main is looked at no more often than this. Milliseconds. */
const LOOK_MS = 250;

/**
 * The batches of a bridge, from its history alone: it is read once, and then only what is new. A task counts
 * for the batch whose id, asker and token it has, and a line only once, so nobody adds to the batch of
 * another.
 */
export class BatchIndex {
  readonly #view: BridgeView;
  readonly #reachMs: number;
  #batches = new Map<string, KnownBatch>();
  #byTask = new Map<string, BatchTask>();
  /** Tasks of batches whose first task was not read, because it is a large file that a clone leaves out. */
  #strays = 0;
  #leftOut: HistoryCommit[] = [];
  #seen: string | null = null;
  #deepening: Promise<void> | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;

  /** `reachMs`: how far back history is read at first. */
  constructor(view: BridgeView, reachMs = REACH_MS) {
    this.#view = view;
    this.#reachMs = reachMs;
  }

  /** Takes in what is new on main as it is here. `now`: also where it was looked at a moment ago. */
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

  /**
   * Reads all of history, once: a batch that is asked for may be older than what was read, or than what a
   * clone keeps. Meanwhile the index can be used as it is. Throws what reading the bridge throws.
   */
  async deepen(): Promise<void> {
    this.#deepening ??= this.#deepen().catch((error: unknown) => {
      this.#deepening = null;
      throw error;
    });
    await this.#deepening;
  }

  async #deepen(): Promise<void> {
    await this.#view.reach('all');
    const whole = new BatchIndex(this.#view, Number.POSITIVE_INFINITY);
    await whole.refresh();
    await this.#running;
    this.#batches = whole.#batches;
    this.#byTask = whole.#byTask;
    this.#seen = whole.#seen;
    await this.refresh({ now: true });
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
    const sinceMs = terms.serverNow() - this.#reachMs;
    const first = Number.isFinite(sinceMs) ? { sinceMs } : {};
    const reader = openObjectReader(repo);
    try {
      const range = this.#seen === null ? first : { not: [this.#seen] };
      for await (const commit of walkHistory(repo, { from: [tip], ...range }))
        await this.#take(reader, commit);
      this.#seen = tip;
      if (!(await this.#fetchLeftOut())) return;
      // The order of asking decides what counts, so all of it is read again.
      this.#batches = new Map();
      this.#byTask = new Map();
      this.#strays = 0;
      for await (const commit of walkHistory(repo, { from: [tip], ...first }))
        await this.#take(reader, commit);
    } finally {
      reader.close();
    }
  }

  /**
   * Fetches large files of tasks that a batch may be missing; a photo of somebody else stays where it is.
   * False where there is none.
   */
  async #fetchLeftOut(): Promise<boolean> {
    const lacking = [...this.#batches.values()].filter(({ tasks, head }) => tasks.size < head.total);
    const askers = new Set(lacking.map(({ asker }) => asker));
    const wanted = this.#leftOut.filter(({ author }) => this.#strays > 0 || askers.has(author));
    if (wanted.length === 0) return false;
    this.#leftOut = [];
    for (const commit of wanted) await this.#view.requireFile(commit);
    return true;
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
      task.answer ??= { blob: message.change.newId, commit: commit.id, atMs, isGood };
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
    if (content === undefined && !this.#view.isLocal) this.#leftOut.push(commit);
    // Most tasks are of no batch, and to parse all of a long history takes long.
    if (content?.includes('"batch"') !== true) return;
    const read = readTask('task.json', content, Number.POSITIVE_INFINITY);
    const mark = read.ok && read.value.request !== undefined ? readMark(read.value.metadata ?? {}) : null;
    if (!read.ok || mark === null) return;
    const token = read.value.metadata?.token ?? null;
    const { id, head, line, customId, key = null } = mark;
    if (head !== null && !this.#batches.has(id)) {
      const known = { id, token, asker, head, key, localOnly: read.value.local_only === true };
      this.#batches.set(id, { ...known, begunAtMs: committedAtMs, tasks: new Map() });
    }
    const batch = this.#batches.get(id);
    if (batch === undefined) this.#strays += 1;
    if (batch === undefined || batch.asker !== asker || batch.token !== token) return;
    if (batch.tasks.has(line)) return;
    const found: BatchTask = { task, customId, line, answer: null, cancel: null };
    batch.tasks.set(line, found);
    this.#byTask.set(task, found);
  }
}

import { randomBytes } from 'node:crypto';
import { ApiError } from '../api-errors.js';
import type { StoredFile } from './batch-files.js';
import { type BatchHead, CANCELLED, EXPIRED, isBatchId } from './batch-head.js';
import { BatchIndex, type KnownBatch } from './batch-index.js';
import { type BatchJournal, BatchJournals, isUnfinished } from './batch-journals.js';
import { type BatchFacts, batchStatus, factsOf, isOpen, isOver, tokenOf } from './batch-object.js';
import { type BatchesSettings, BatchWork } from './batch-work.js';
import { batchWithKey, type KeyedBatch } from './keyed-batches.js';
import { ResultSizes } from './result-sizes.js';
import { throwDiskError } from './take-file.js';

/** The most batches that are taken in at a time. */
const MAX_UNFINISHED = 100;

/**
 * How often it looks for what is due: expiry, the end of a batch, work of a gateway that died. Milliseconds.
 */
const TICK_MS = 10_000;

/** The journal of a batch that failed or was cancelled is kept this long. Milliseconds. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** The token that a batch belongs to, and what its client forbids. */
export interface BatchOwner {
  /** Null where this machine calls without one. */
  readonly token: string | null;
  /** Whether no third party may read its requests. */
  readonly localOnly?: boolean | undefined;
  /** The `Idempotency-Key` that it comes with. */
  readonly key?: string | null;
}

/** The batches of a bridge: they are made from files, taken in, given up, and found again in history. */
export class Batches {
  readonly index: BatchIndex;
  readonly sizes: ResultSizes;
  readonly #settings: BatchesSettings;
  readonly #journals: BatchJournals;
  readonly #work: BatchWork;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(settings: BatchesSettings) {
    this.#settings = settings;
    this.#journals = new BatchJournals(settings.folder);
    this.index = new BatchIndex(settings.bridge.view);
    this.sizes = new ResultSizes(settings.bridge.view);
    const { index, sizes } = this;
    this.#work = new BatchWork(settings, { journals: this.#journals, index, sizes });
  }

  /**
   * Goes on with what was begun before this gateway was started. Reads history only where something was.
   */
  async open(): Promise<void> {
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
    this.#timer.unref();
    await this.#tick();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#work.close();
  }

  /** Makes a batch of a file; its requests are checked and taken in afterwards. Throws ApiError 429, 507. */
  async create(
    file: Pick<StoredFile, 'id'>,
    head: Pick<BatchHead, 'endpoint' | 'completion_window' | 'metadata'>,
    { token, localOnly = false, key = null }: BatchOwner,
  ): Promise<BatchFacts> {
    const unfinished = (await this.#journals.all()).filter(({ state }) => isUnfinished(state));
    if (unfinished.length >= MAX_UNFINISHED)
      throw new ApiError(`${unfinished.length} batches are being taken in already: try again`, {
        ...{ status: 429, code: 'too_many_batches', retryAfterS: 10 },
      });
    const id = `batch_${randomBytes(12).toString('hex')}`;
    const journal: BatchJournal = {
      ...{ id, token, state: 'validating', errors: [] },
      ...(localOnly ? { local_only: true as const } : {}),
      ...(key === null ? {} : { key }),
      head: { ...head, input_file_id: file.id, created_at: Math.floor(this.#nowMs() / 1000), total: null },
    };
    await this.#journals.add(journal).catch(throwDiskError);
    void this.#work.run(id);
    return factsOf(journal, null);
  }

  /** A batch of this token; null where there is none. */
  async find(id: string, token: string | null): Promise<BatchFacts | null> {
    await this.index.refresh();
    if (isBatchId(id) && this.#isOlder(id)) await this.index.deepen();
    const facts = this.#factsOf(id);
    const isToFinish = facts !== null && batchStatus(facts, this.#nowMs()) === 'finalizing';
    if (isToFinish && !this.#work.isAt(id)) void this.#work.run(id);
    return facts !== null && tokenOf(facts, this.#journals.read(id)) === token ? facts : null;
  }

  /** The batch of this token that was made with this key; null where there is none. */
  async withKey(key: string, token: string | null): Promise<KeyedBatch | null> {
    await this.index.refresh();
    return batchWithKey([...(await this.#journals.all()), ...this.index.all()], { key, token });
  }

  /** The batches of this token, the newest first. */
  async list(token: string | null): Promise<BatchFacts[]> {
    await this.index.refresh();
    const ids = new Set([...this.index.all(), ...(await this.#journals.all())].map(({ id }) => id));
    const found = [...ids].flatMap((id) => {
      const facts = this.#factsOf(id);
      return facts !== null && tokenOf(facts, this.#journals.read(id)) === token ? [facts] : [];
    });
    return found.sort((a, b) => b.head.created_at - a.head.created_at || (a.id < b.id ? -1 : 1));
  }

  /** Whether a file is still needed: its batch is being taken in. */
  async needs(fileId: string): Promise<boolean> {
    const journals = await this.#journals.all();
    return journals.some(({ state, head }) => isUnfinished(state) && head.input_file_id === fileId);
  }

  /** Cancels a batch; its tasks are cancelled afterwards. Throws ApiError 409 for one that is over. */
  async cancel(facts: BatchFacts, token: string | null): Promise<BatchFacts> {
    const status = batchStatus(facts, this.#nowMs());
    if (status === 'cancelling' || status === 'cancelled') return facts;
    if (isOver(status))
      throw new ApiError(`Cannot cancel a batch with status '${status}'.`, {
        ...{ status: 409, code: 'batch_is_over' },
      });
    const { id, head } = facts;
    const unknown = { id, token, head, errors: [] };
    await this.#journals
      .change(id, (now) => ({ ...(now ?? unknown), state: 'cancelling' }))
      .catch(throwDiskError);
    void this.#work.run(id);
    return { ...facts, isValidating: false, isCancelled: true };
  }

  /** Resolves when the last work on a batch is done; for tests. */
  async settled(id: string): Promise<void> {
    await this.#work.settled(id);
  }

  /** Whether it may be older than what was read of history, or than what a clone keeps. */
  #isOlder(id: string): boolean {
    const state = this.#journals.read(id)?.state ?? 'made';
    return state === 'made' && this.index.get(id) === null;
  }

  #nowMs(): number {
    return this.#settings.bridge.view.terms.serverNow();
  }

  #factsOf(id: string): BatchFacts | null {
    const journal = this.#journals.read(id);
    const known = this.index.get(id);
    return journal === null && known === null ? null : factsOf(journal, known);
  }

  /** Goes on with what is begun, and gives up what has expired, each by itself: one may fail each time. */
  async #tick(): Promise<void> {
    const fails = (error: unknown) => {
      if (!this.#isClosed) this.#settings.onProblem(error);
    };
    try {
      const journals = await this.#journals.all();
      for (const { id, state } of journals)
        if (isUnfinished(state) && !this.#work.isAt(id)) void this.#work.run(id);
      if (journals.length > 0) await this.index.refresh();
      if (journals.some(({ id, state }) => state === 'made' && this.#isOlder(id))) await this.index.deepen();
      for (const known of this.index.all()) await this.#see(known).catch(fails);
      for (const journal of journals) {
        const isOld = this.#nowMs() - journal.head.created_at * 1000 > KEPT_MS;
        if (isOld && ['failed', 'cancelled'].includes(journal.state)) await this.#journals.forget(journal);
      }
    } catch (error) {
      fails(error);
    }
  }

  async #see(known: KnownBatch): Promise<void> {
    const { id } = known;
    if (this.#work.isAt(id)) return;
    const journal = this.#journals.read(id);
    const status = batchStatus(factsOf(journal, known), this.#nowMs());
    const hasOpen = [...known.tasks.values()].some(isOpen);
    // Only the asker of a task may cancel it.
    const isOurs = known.asker === this.#settings.asker;
    if (hasOpen && isOurs && (status === 'expired' || status === 'cancelling')) {
      await this.#work.giveUp(id, status === 'expired' ? EXPIRED : CANCELLED);
      if (journal !== null && ![...known.tasks.values()].some(isOpen)) await this.#journals.forget(journal);
    } else if (status === 'finalizing') void this.#work.run(id);
    else if (!hasOpen && isOver(status) && journal !== null) {
      const said = batchStatus(factsOf(null, known), this.#nowMs());
      if (said === status) await this.#journals.forget(journal);
    }
  }
}

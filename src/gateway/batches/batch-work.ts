import { ingest } from '../../log/ingest.js';
import { CANCELLED } from './batch-head.js';
import type { BatchIndex } from './batch-index.js';
import type { BatchJournal, BatchJournals } from './batch-journals.js';
import { checkLines, type LineError, type LineRules } from './batch-lines.js';
import { batchStatus, factsOf, isOpen } from './batch-object.js';
import { fileGone, isFinal } from './final-error.js';
import type { ResultSizes } from './result-sizes.js';
import { type BatchBridge, giveUp, takeIn } from './take-in.js';

/** What the batches of a gateway are made with. */
export interface BatchesSettings {
  readonly bridge: BatchBridge;
  /** Where journals and files lie. */
  readonly folder: string;
  /** The name of the gateway in the record. */
  readonly gateway: string;
  /** The author of what is committed. */
  readonly asker: string;
  /** Whether an agent has a model; true also where nobody can tell. */
  readonly hasModel: (model: string) => Promise<boolean>;
  /** The model that a name stands for. */
  readonly modelOf: (model: string) => string;
  /** Where the bytes of a file lie. */
  readonly pathOf: (fileId: string) => string;
  /** Something went wrong that is tried again. */
  readonly onProblem: (error: unknown) => void;
}

/**
 * The work for batches that no client waits for: their lines are checked and taken in, their tasks given up.
 * Each step begins from the journal, so another gateway goes on where one has died.
 */
export class BatchWork {
  readonly #settings: BatchesSettings;
  readonly #journals: BatchJournals;
  readonly #index: BatchIndex;
  readonly #sizes: ResultSizes;
  readonly #working = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(
    settings: BatchesSettings,
    {
      journals,
      index,
      sizes,
    }: { readonly journals: BatchJournals; readonly index: BatchIndex; readonly sizes: ResultSizes },
  ) {
    this.#settings = settings;
    this.#journals = journals;
    this.#index = index;
    this.#sizes = sizes;
  }

  /** Stops the work at its next step, and resolves when none is done any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#working.values());
  }

  /** Whether something is being done for this batch. */
  isAt(id: string): boolean {
    return this.#working.has(id);
  }

  /** Resolves when the last work on a batch is done. */
  async settled(id: string): Promise<void> {
    await this.#working.get(id);
  }

  /** Cancels the open tasks of a batch, unless another gateway is at it. Throws what the bridge throws. */
  async giveUp(id: string, reason: string): Promise<void> {
    const { bridge } = this.#settings;
    const isWanted = () => !this.#isClosed;
    const work = this.#journals
      .work(id, () => giveUp(bridge, this.#index, { id, reason }, isWanted))
      .finally(() => this.#working.delete(id));
    this.#working.set(id, work);
    await work;
  }

  #nowMs(): number {
    return this.#settings.bridge.view.terms.serverNow();
  }

  /** Does what is to be done for a batch: one run at a time, in one gateway of the bridge. */
  run(id: string): Promise<void> {
    const before = this.#working.get(id) ?? Promise.resolve();
    const work: Promise<void> = before
      .then(() => this.#journals.work(id, () => this.#steps(id)))
      .catch((error) => {
        if (!this.#isClosed) this.#settings.onProblem(error);
      })
      .finally(() => {
        if (this.#working.get(id) === work) this.#working.delete(id);
      });
    this.#working.set(id, work);
    return work;
  }

  async #steps(id: string): Promise<void> {
    for (let last = ''; !this.#isClosed; ) {
      const journal = this.#journals.read(id);
      if (journal === null || journal.state === last) return;
      last = journal.state;
      if (journal.state === 'validating') await this.#validate(journal);
      else if (journal.state === 'taking') await this.#take(journal);
      else if (journal.state === 'cancelling') await this.#cancelAll(journal);
      else if (journal.state === 'made') await this.#finish(journal);
    }
  }

  async #validate(journal: BatchJournal): Promise<void> {
    const { head } = journal;
    const { pathOf, hasModel, modelOf, bridge } = this.#settings;
    const rules = { endpoint: head.endpoint, maxTaskBytes: bridge.view.terms.maxTaskBytes, modelOf };
    const { total, errors } = await checkLines(pathOf(head.input_file_id), rules, hasModel).catch(fileGone);
    const next = errors.length > 0 ? 'failed' : 'taking';
    await this.#change(journal, next, { head: { ...head, total }, errors: [...errors] });
  }

  async #take(journal: BatchJournal): Promise<void> {
    const { id, head, token } = journal;
    const { bridge, gateway, modelOf, pathOf } = this.#settings;
    const isWanted = () =>
      !this.#isClosed &&
      this.#journals.read(id)?.state === 'taking' &&
      batchStatus(factsOf(journal, null), this.#nowMs()) !== 'expired';
    const plan = {
      ...{ id, file: pathOf(head.input_file_id), modelOf: modelOf as LineRules['modelOf'] },
      head: { ...head, total: head.total ?? 0 },
      localOnly: journal.local_only,
      key: journal.key,
      metadata: { gateway, ...(token === null ? {} : { token }) },
    };
    try {
      await takeIn(bridge, this.#index, plan, throttled(isWanted));
      // The first answer need not wait for this. Its push, in no sandbox of a service, runs on-answer.d.
      if (bridge.view.isLocal) await ingest(bridge.view.repo, { now: Date.now }).catch(() => {});
      // Where it was stopped, the batch was cancelled, which `#change` leaves as it is, or it has expired.
      if (!this.#isClosed) await this.#change(journal, 'made', {});
    } catch (error) {
      if (this.#isClosed || !isFinal(error)) throw error;
      // The bridge would not take it the next time either.
      const { message, code } = error;
      const errors: LineError[] = [{ code: code ?? 'refused', message, param: null, line: null }];
      await this.#change(journal, 'failed', { errors });
      await giveUp(bridge, this.#index, { id, reason: CANCELLED }, () => !this.#isClosed);
    }
  }

  /**
   * All answers are there. Each is read once, to see that it can be; from then on history says all of it.
   */
  async #finish(journal: BatchJournal): Promise<void> {
    const facts = factsOf(journal, this.#index.get(journal.id));
    const { known } = facts;
    if (known === null || batchStatus(facts, this.#nowMs()) !== 'finalizing') return;
    try {
      for (const kind of ['output', 'errors'] as const) await this.#sizes.bytes({ ...facts, known }, kind);
    } catch (error) {
      if (!isFinal(error)) throw error;
      // It would fail the next time as well. A client that fetches the results is told, too.
      this.#settings.onProblem(error);
    }
    if (!this.#isClosed) await this.#journals.forget(journal);
  }

  async #cancelAll(journal: BatchJournal): Promise<void> {
    const { id } = journal;
    await giveUp(this.#settings.bridge, this.#index, { id, reason: CANCELLED }, () => !this.#isClosed);
    const tasks = [...(this.#index.get(id)?.tasks.values() ?? [])];
    if (this.#isClosed || tasks.some(isOpen)) return;
    // Where a task was cancelled, history says it from here on.
    if (tasks.some(({ cancel }) => cancel?.reason === CANCELLED)) await this.#journals.forget(journal);
    else await this.#change(journal, 'cancelled', {});
  }

  /** Changes the journal, but not where somebody has changed its state meanwhile, as a cancel does. */
  async #change(
    { id, state: before }: BatchJournal,
    state: BatchJournal['state'],
    more: Partial<BatchJournal>,
  ): Promise<void> {
    await this.#journals.change(id, (now) => (now?.state === before ? { ...now, ...more, state } : now));
  }
}

/** The same, but asked at most five times a second: it reads the disk. */
function throttled(isSo: () => boolean): () => boolean {
  let last = { value: true, atMs: Number.NEGATIVE_INFINITY };
  return () => {
    const nowMs = performance.now();
    if (nowMs - last.atMs > 200) last = { value: isSo(), atMs: nowMs };
    return last.value;
  };
}

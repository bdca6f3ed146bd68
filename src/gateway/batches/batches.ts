import { randomBytes } from 'node:crypto';
import { tryFileLock } from '../../process/file-lock.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { ApiError } from '../api-errors.js';
import type { StoredFile } from './batch-files.js';
import { type BatchHead, CANCELLED, EXPIRED } from './batch-head.js';
import { BatchIndex, type KnownBatch } from './batch-index.js';
import { type BatchJournal, BatchJournals } from './batch-journals.js';
import { checkLines, type LineError, type LineRules } from './batch-lines.js';
import { type BatchFacts, batchStatus, isOpen, isOver } from './batch-object.js';
import { type BatchBridge, giveUp, takeIn } from './take-in.js';

/** What the batches of a gateway are made with. */
export interface BatchesSettings {
  readonly bridge: BatchBridge;
  /** Where journals and files lie. */
  readonly folder: string;
  /** Whose tasks they are, in the record. */
  readonly gateway: string;
  /** The author of what is committed. */
  readonly asker: string;
  /** Whether an agent has a model, or nobody can tell. */
  readonly hasModel: (model: string) => Promise<boolean>;
  /** The model that a name stands for. */
  readonly modelOf: (model: string) => string;
  /** Where the bytes of a file lie. */
  readonly pathOf: (fileId: string) => string;
  /** Something went wrong that is tried again. */
  readonly onProblem: (error: unknown) => void;
}

/** More batches than that are not taken in at a time. */
const MAX_UNFINISHED = 100;

/**
 * How often what is due is looked for: expiry, the end of a batch, work of a gateway that died. Milliseconds.
 */
const TICK_MS = 10_000;

/** What never had a task is forgotten after this time. Milliseconds. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** The batches of a bridge: made from files, taken in, given up, and known again from history alone. */
export class Batches {
  readonly index: BatchIndex;
  readonly #settings: BatchesSettings;
  readonly #journals: BatchJournals;
  readonly #working = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(settings: BatchesSettings) {
    this.#settings = settings;
    this.#journals = new BatchJournals(settings.folder);
    this.index = new BatchIndex(settings.bridge.view);
  }

  /**
   * Goes on with what was begun before this gateway was started. Reads history only where there is something.
   */
  async open(): Promise<void> {
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
    this.#timer.unref();
    await this.#tick();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#working.values());
  }

  /** Makes a batch of a file; its requests are looked through and taken in afterwards. */
  async create(
    file: Pick<StoredFile, 'id'>,
    head: Pick<BatchHead, 'endpoint' | 'completion_window' | 'metadata'>,
    token: string | null,
  ): Promise<BatchFacts> {
    const unfinished = (await this.#journals.all()).filter(({ state }) => isUnfinished(state));
    if (unfinished.length >= MAX_UNFINISHED)
      throw new ApiError(`${unfinished.length} batches are being taken in already: try again`, {
        ...{ status: 429, code: 'too_many_batches', retryAfterS: 10 },
      });
    const id = `batch_${randomBytes(12).toString('hex')}`;
    const created_at = Math.floor(this.#nowMs() / 1000);
    const journal: BatchJournal = {
      ...{ id, token, state: 'validating', errors: [] },
      head: { ...head, input_file_id: file.id, created_at, total: null },
    };
    await this.#journals.write(journal);
    void this.#work(id);
    return factsOf(journal, null);
  }

  /** A batch of this token; null where there is none. */
  async find(id: string, token: string | null): Promise<BatchFacts | null> {
    await this.index.refresh();
    const facts = this.#factsOf(id);
    return facts !== null && tokenOf(facts, this.#journals.read(id)) === token ? facts : null;
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

  /** Cancels a batch that is not over. What is said of it comes at once; its tasks follow. */
  async cancel(facts: BatchFacts, token: string | null): Promise<BatchFacts> {
    const status = batchStatus(facts, this.#nowMs());
    if (status === 'cancelling' || status === 'cancelled') return facts;
    if (isOver(status))
      throw new ApiError(`Cannot cancel a batch with status '${status}'.`, {
        ...{ status: 409, code: 'batch_is_over' },
      });
    const { id, head } = facts;
    const before = this.#journals.read(id) ?? { id, token, head, errors: [] };
    await this.#journals.write({ ...before, state: 'cancelling' });
    void this.#work(id);
    return { ...facts, isValidating: false, isCancelled: true };
  }

  /** When the last work on a batch is done; for tests. */
  async settled(id: string): Promise<void> {
    await this.#working.get(id);
  }

  #nowMs(): number {
    return this.#settings.bridge.view.terms.serverNow();
  }

  #factsOf(id: string): BatchFacts | null {
    const journal = this.#journals.read(id);
    const known = this.index.get(id);
    return journal === null && known === null ? null : factsOf(journal, known);
  }

  /** Does what is to be done for a batch, once at a time, and by one gateway of the bridge. */
  #work(id: string): Promise<void> {
    const before = this.#working.get(id) ?? Promise.resolve();
    const work = before
      .then(() => tryFileLock(this.#journals.lockOf(id), () => this.#steps(id)))
      .then(() => {})
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
      else if (journal.state === 'cancelling') await this.#giveUp(journal);
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
      metadata: { gateway, ...(token === null ? {} : { token }) },
    };
    try {
      await takeIn(bridge, this.index, plan, throttled(isWanted));
      // Stopped, it was cancelled, which `change` leaves as it is, or it has expired.
      if (!this.#isClosed) await this.#change(journal, 'made', {});
    } catch (error) {
      if (this.#isClosed || !isFinal(error)) throw error;
      // The bridge takes none of it, whoever asks again.
      const { message, code } = error;
      const errors: LineError[] = [{ code: code ?? 'refused', message, param: null, line: null }];
      await this.#change(journal, 'failed', { errors });
      await giveUp(bridge, this.index, { id, reason: CANCELLED }, () => !this.#isClosed);
    }
  }

  async #giveUp(journal: BatchJournal): Promise<void> {
    const { id } = journal;
    await giveUp(this.#settings.bridge, this.index, { id, reason: CANCELLED }, () => !this.#isClosed);
    const tasks = [...(this.index.get(id)?.tasks.values() ?? [])];
    if (this.#isClosed || tasks.some(isOpen)) return;
    // From here on history says it, where there was anything left to be cancelled.
    if (tasks.some(({ cancel }) => cancel?.reason === CANCELLED)) await this.#journals.remove(id);
    else await this.#change(journal, 'cancelled', {});
  }

  /** Where somebody has changed it meanwhile, by a cancel, that counts. */
  async #change(
    { id, state: before }: BatchJournal,
    state: BatchJournal['state'],
    more: Partial<BatchJournal>,
  ): Promise<void> {
    const now = this.#journals.read(id);
    if (now?.state === before) await this.#journals.write({ ...now, ...more, state });
  }

  /** Goes on with what is begun, and gives up what has expired. */
  async #tick(): Promise<void> {
    try {
      const journals = await this.#journals.all();
      for (const { id, state } of journals)
        if (isUnfinished(state) && !this.#working.has(id)) void this.#work(id);
      if (journals.length > 0) await this.index.refresh();
      for (const known of this.index.all()) await this.#see(known);
      for (const { id, state, head } of journals) {
        const isOld = this.#nowMs() - head.created_at * 1000 > KEPT_MS;
        if (isOld && (state === 'failed' || state === 'cancelled')) await this.#journals.remove(id);
      }
    } catch (error) {
      if (!this.#isClosed) this.#settings.onProblem(error);
    }
  }

  async #see(known: KnownBatch): Promise<void> {
    const { id } = known;
    if (this.#working.has(id)) return;
    const journal = this.#journals.read(id);
    const status = batchStatus(factsOf(journal, known), this.#nowMs());
    const hasOpen = [...known.tasks.values()].some(isOpen);
    const { bridge, asker } = this.#settings;
    // Only who asked may cancel.
    if (hasOpen && known.asker === asker && (status === 'expired' || status === 'cancelling')) {
      const reason = status === 'expired' ? EXPIRED : CANCELLED;
      const work = giveUp(bridge, this.index, { id, reason }, () => !this.#isClosed).finally(() =>
        this.#working.delete(id),
      );
      this.#working.set(id, work);
      await work;
      if (![...known.tasks.values()].some(isOpen)) await this.#journals.remove(id);
    } else if (!hasOpen && isOver(status) && journal !== null && journal.state !== 'failed')
      await this.#journals.remove(id);
  }
}

function isUnfinished(state: BatchJournal['state']): boolean {
  return state === 'validating' || state === 'taking' || state === 'cancelling';
}

function factsOf(journal: BatchJournal | null, known: KnownBatch | null): BatchFacts {
  const head = journal?.head ?? known?.head;
  const id = journal?.id ?? known?.id;
  if (head === undefined || id === undefined) throw new Error('a batch has a journal, or tasks');
  const state = journal?.state;
  return {
    ...{ id, head, known, errors: journal?.errors ?? [] },
    isValidating: state === 'validating',
    isCancelled: state === 'cancelling' || state === 'cancelled',
  };
}

function tokenOf({ known }: BatchFacts, journal: BatchJournal | null): string | null {
  return journal === null ? (known?.token ?? null) : journal.token;
}

/** A refusal of the bridge, or a file that is gone: it would be the same again. */
function isFinal(error: unknown): error is Error & { readonly code?: string | null } {
  if (error instanceof ApiError) return error.status < 500 || error.status === 502;
  if (error instanceof BridgeError) return !error.retryable;
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function fileGone(error: unknown): { readonly total: number; readonly errors: LineError[] } {
  if (!isFinal(error)) throw error;
  const message = 'the file of the batch is gone';
  return { total: 0, errors: [{ code: 'file_not_found', message, param: 'input_file_id', line: null }] };
}

/** The same, asked of the disk no more often than some times a second. */
function throttled(isSo: () => boolean): () => boolean {
  let last = { value: true, atMs: Number.NEGATIVE_INFINITY };
  return () => {
    const nowMs = performance.now();
    if (nowMs - last.atMs > 200) last = { value: isSo(), atMs: nowMs };
    return last.value;
  };
}

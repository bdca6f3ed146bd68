import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { readSmallFile, unless } from '../../process/durable-file.js';
import { tryFileLock, withFileLock } from '../../process/file-lock.js';
import { readStrictJson } from '../../protocol/strict-json.js';
import { batchHeadSchema, isBatchId } from './batch-head.js';

/**
 * What a gateway knows of a batch before history says it, and what is still to be done for it. `made`: all
 * its tasks are on main. `failed` and `cancelled` are kept where history does not say them, mostly of a
 * batch that never had a task.
 */
const journalSchema = z.strictObject({
  id: z.string().refine(isBatchId),
  token: z.string().nullable(),
  /** There where no third party may read the batch. */
  local_only: z.literal(true).optional(),
  /** There where the batch was made with an `Idempotency-Key`. */
  key: z.string().optional(),
  head: batchHeadSchema.extend({ total: z.int().nullable() }),
  state: z.enum(['validating', 'taking', 'made', 'cancelling', 'cancelled', 'failed']),
  errors: z.array(
    z.strictObject({
      code: z.string(),
      message: z.string(),
      param: z.string().nullable(),
      line: z.int().nullable(),
    }),
  ),
});
export type BatchJournal = z.infer<typeof journalSchema>;

/**
 * The journals of batches, one small file each. They are read from the disk each time, because two gateways
 * of one bridge share them.
 */
export class BatchJournals {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Makes a journal what `change` makes of it as it is; null for one that is not there, and from `change`
   * for one that is to be removed. One change at a time, also of another gateway: a cancel and the next step
   * of the work would write over each other. Throws what writing a file and withFileLock throw.
   */
  async change(id: string, change: (now: BatchJournal | null) => BatchJournal | null): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await withFileLock(path.join(this.#folder, 'changes.lock'), async () => {
      const now = this.read(id);
      const next = change(now);
      if (next === now) return;
      if (next === null) await this.#remove(id);
      else await this.#write(next);
    });
  }

  /** Removes a journal that is still in this state. */
  async forget({ id, state }: Pick<BatchJournal, 'id' | 'state'>): Promise<void> {
    await this.change(id, (now) => (now?.state === state ? null : now));
  }

  /** Writes the journal of a batch that nobody else knows of yet. Throws what writing a file throws. */
  async add(journal: BatchJournal): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#write(journal);
  }

  async #write(journal: BatchJournal): Promise<void> {
    await writeFileAtomic(this.#fileOf(journal.id), `${JSON.stringify(journal)}\n`, { mode: 0o600 });
  }

  /** Null where there is none, or none that can be read. */
  read(id: string): BatchJournal | null {
    const text = isBatchId(id) ? readSmallFile(this.#fileOf(id)) : null;
    const read = text === null ? null : readStrictJson(Buffer.from(text, 'latin1'), journalSchema);
    return read?.ok && read.value.id === id ? read.value : null;
  }

  async all(): Promise<BatchJournal[]> {
    const names = (await readdir(this.#folder).catch(unless('ENOENT'))) ?? [];
    return names
      .filter((name) => name.endsWith('.json') && isBatchId(name.slice(0, -'.json'.length)))
      .flatMap((name) => this.read(name.slice(0, -'.json'.length)) ?? []);
  }

  async #remove(id: string): Promise<void> {
    await rm(this.#fileOf(id), { force: true });
    await rm(this.#lockOf(id), { force: true });
  }

  /** Does this unless another, also another gateway, is at work on the batch. Throws as tryFileLock does. */
  async work(id: string, job: () => Promise<void>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await tryFileLock(this.#lockOf(id), async () => {
      try {
        await job();
      } finally {
        // History alone has it: nothing of it stays here.
        if (this.read(id) === null) await rm(this.#lockOf(id), { force: true });
      }
    });
  }

  #lockOf(id: string): string {
    return path.join(this.#folder, `${id}.lock`);
  }

  #fileOf(id: string): string {
    return path.join(this.#folder, `${id}.json`);
  }
}

/** Whether something is still to be done for a batch that only its journal knows of. */
export function isUnfinished(state: BatchJournal['state']): boolean {
  return state === 'validating' || state === 'taking' || state === 'cancelling';
}

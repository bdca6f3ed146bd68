import type { Repository } from '../git/run-git.js';
import { type CloneMaintenance, cloneMaintenance } from './clone-maintenance.js';

/** Keeps the clone of a view small, for one that stays open for months, as that of a gateway does. */
export class ViewUpkeep {
  readonly #closing = new AbortController();
  #of: { readonly gitDir: string; readonly maintenance: CloneMaintenance } | null = null;
  #running: Promise<void> = Promise.resolve();

  /** Whether the next fetch should drop what is outside the window, and `start` be called after it. */
  async isDue(clone: Repository): Promise<boolean> {
    // A clone that was damaged is made again in another folder.
    if (this.#of?.gitDir !== clone.gitDir)
      this.#of = { gitDir: clone.gitDir, maintenance: cloneMaintenance(clone) };
    return await this.#of.maintenance.isDue();
  }

  /** Packs what is left, beside all else. A failure leaves the clone as it is. */
  start(): void {
    if (this.#of !== null) this.#running = this.#of.maintenance.run(this.#closing.signal);
  }

  /** Ends what runs: nothing of it is left behind. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }
}

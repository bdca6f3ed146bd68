import type { BridgeView } from '../../bridge/bridge-view.js';
import type { KnownBatch } from './batch-index.js';
import { type BatchFacts, batchStatus, type ResultKind, resultFileId } from './batch-object.js';
import { batchResults } from './batch-results.js';

/** The most sizes that are remembered; others are counted again. */
const MAX_KNOWN = 10_000;

/** How many bytes the results of batches have: those of one that is completed do not change any more. */
export class ResultSizes {
  readonly #view: BridgeView;
  /** By the id of the file. */
  readonly #sizes = new Map<string, number>();

  constructor(view: BridgeView) {
    this.#view = view;
  }

  /** Of one file of results. Throws what reading the record throws. */
  async bytes(facts: BatchFacts & { readonly known: KnownBatch }, kind: ResultKind): Promise<number> {
    const id = resultFileId(facts.id, kind);
    const counted = this.#sizes.get(id);
    if (counted !== undefined) return counted;
    let bytes = 0;
    for await (const line of batchResults(this.#view, facts.known, kind)) bytes += Buffer.byteLength(line);
    // What was given up may still be answered for a moment.
    const status = batchStatus(facts, this.#view.terms.serverNow());
    if (status === 'completed' || status === 'finalizing') {
      this.#sizes.set(id, bytes);
      for (const [oldest] of this.#sizes) if (this.#sizes.size > MAX_KNOWN) this.#sizes.delete(oldest);
    }
    return bytes;
  }
}

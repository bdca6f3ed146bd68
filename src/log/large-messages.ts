import type { BridgeView } from '../bridge/bridge-view.js';
import type { ObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';

/** A fetch may just miss a commit because main moved meanwhile; what is too large is missed again. */
const MAX_TRIES = 2;

/**
 * An answer that is larger is in no search and no figure of who reads over ssh: it comes when it is opened.
 */
export const MAX_FIGURES_BYTES = 1024 * 1024;

/** What of it is wanted. */
export interface LargeMessageOptions {
  /** Larger ones stay where they are. Default: all come. */
  readonly maxBytes?: number;
  /** Tasks as well, for their metadata. Default: answers alone, so that no photo moves. */
  readonly tasks?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Brings messages that the clone of a view left out because they are large. A fetch for one goes from the tip
 * of main down to it, so it brings those after it as well: many are asked for together, and each fetch goes
 * further back than it has to.
 */
export class LargeMessages {
  /** How often each was tried in vain. */
  readonly #tries = new Map<string, number>();
  #taskFetches = 0;

  constructor(
    private readonly view: Pick<BridgeView, 'repo' | 'requireFile'>,
    private readonly options: LargeMessageOptions = {},
  ) {}

  /**
   * Brings the messages of these commits, the oldest first, and what is up to `spare` commits behind the
   * first that is missing. Throws BridgeError as requireFile does.
   */
  async bring(reader: ObjectReader, commits: readonly HistoryCommit[], spare = 0): Promise<void> {
    if (this.view.repo.leavesOutBytes === undefined) return;
    const { maxBytes, signal } = this.options;
    const missing = [];
    for (const commit of commits) {
      const isTried = (this.#tries.get(commit.id) ?? 0) >= MAX_TRIES;
      if (!isTried && (await isMissing(reader, commit))) missing.push(commit);
    }
    for (const commit of missing) {
      // The fetch for an older one has brought it.
      if (!(await isMissing(reader, commit))) continue;
      if (commit === missing[0] || maxBytes === undefined)
        await this.view.requireFile(commit, { ...(maxBytes !== undefined && { maxBytes }), spare, signal });
      if (await isMissing(reader, commit)) this.#tries.set(commit.id, (this.#tries.get(commit.id) ?? 0) + 1);
    }
  }

  /** Brings the file of this task, where tasks are wanted. Throws BridgeError as requireFile does. */
  async bringTask(id: string): Promise<void> {
    if (this.options.tasks !== true) return;
    const [commit] = await readHistory(this.view.repo, { from: [id], maxCount: 1 });
    if (commit === undefined) return;
    // One may be all that is wanted; of many the later fetches go further back, so that there are few.
    const spare = this.#taskFetches === 0 ? 0 : 2 ** this.#taskFetches;
    this.#taskFetches = Math.min(this.#taskFetches + 1, MAX_DOUBLINGS);
    await this.view.requireFile(commit, { spare, signal: this.options.signal });
  }
}

/** How often that doubles: longer than any history. */
const MAX_DOUBLINGS = 30;

async function isMissing(reader: ObjectReader, commit: HistoryCommit): Promise<boolean> {
  const message = messageOf(commit);
  return message.kind !== 'other' && (await reader.info(message.change.newId)) === null;
}

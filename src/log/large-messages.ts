import type { BridgeView } from '../bridge/bridge-view.js';
import type { ObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';

/**
 * How often a fetch for a message is tried. One may miss it because main moved meanwhile; a message that is
 * too large is missed every time.
 */
const MAX_TRIES = 2;

/**
 * A larger answer is in no search and no figures of a reader over ssh: it is fetched when somebody opens it.
 * Bytes.
 */
export const MAX_FIGURES_BYTES = 1024 * 1024;

/** Which messages are wanted. */
export interface LargeMessageOptions {
  /** Larger ones stay on the server. Default: all are fetched. */
  readonly maxBytes?: number;
  /** Tasks as well, for their metadata. Default: answers alone, so that no photo is fetched. */
  readonly tasks?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Fetches messages that the clone of a view left out because they are large. A fetch for one goes from the
 * tip of main down to it, and so brings those after it as well. So many are asked for together, and each
 * fetch goes further back than it has to.
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
   * Fetches the messages of these commits, which come the oldest first, and those of up to `spare` commits
   * before the first that is missing. Throws BridgeError as requireFile does.
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

  /** Fetches the file of this task, where tasks are wanted. Throws BridgeError as requireFile does. */
  async bringTask(id: string): Promise<void> {
    if (this.options.tasks !== true) return;
    const [commit] = await readHistory(this.view.repo, { from: [id], maxCount: 1 });
    if (commit === undefined) return;
    // The first may be the only one that is wanted. Each later fetch goes twice as far back, so that many
    // tasks take few fetches.
    const spare = this.#taskFetches === 0 ? 0 : 2 ** this.#taskFetches;
    this.#taskFetches = Math.min(this.#taskFetches + 1, MAX_DOUBLINGS);
    await this.view.requireFile(commit, { spare, signal: this.options.signal });
  }
}

/** How often that distance doubles: it is longer than any history by then. */
const MAX_DOUBLINGS = 30;

async function isMissing(reader: ObjectReader, commit: HistoryCommit): Promise<boolean> {
  const message = messageOf(commit);
  return message.kind !== 'other' && (await reader.info(message.change.newId)) === null;
}

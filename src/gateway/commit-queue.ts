import type { Committed } from '../asker/commit-local.js';
import { loginName } from '../asker/task-draft.js';
import { MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import type { BridgeFeed } from './bridge-feed.js';
import { type BatchItem, CommitBatch, type QueuedMessage } from './commit-batch.js';
import { HeldPush } from './held-push.js';

/** The most that one push brings; the server has a limit as well. Bytes. */
const MAX_BATCH_BYTES = 32 * 1024 * 1024;

/**
 * Puts messages on main, those that come at the same time together: many commits, one push (on this machine:
 * one compare-and-swap). While one batch is on its way, the next one gathers.
 */
export class CommitQueue {
  readonly #feed: BridgeFeed;
  readonly #name: string;
  readonly #closing = new AbortController();
  readonly #held: HeldPush;
  #waiting: BatchItem[] = [];
  #running: Promise<void> | null = null;

  /** `name`: who writes, where no key says it. */
  constructor(feed: BridgeFeed, name: string | undefined) {
    this.#feed = feed;
    this.#held = new HeldPush(feed.view, this.#closing.signal);
    this.#name = feed.view.terms.principal?.name ?? name ?? loginName();
  }

  /** The author of what is committed. */
  get name(): string {
    return this.#name;
  }

  /**
   * Resolves once the message is on main; `isNew` is false where a push brought it whose reply was lost, so
   * that it may have been read already. Tries until nobody wants it any more, and rejects with the last
   * failure then. Rejects with BridgeError `refused-…` where the bridge does not take it.
   */
  submit(what: QueuedMessage): Promise<Committed> {
    return new Promise((done, failed) => {
      this.#waiting.push({ what, done, failed });
      this.#running ??= this.#run();
    });
  }

  /** Gives up what is not on main yet. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await this.#held.close();
  }

  async #run(): Promise<void> {
    // What comes in the same turn of the event loop goes together from the first batch on.
    await new Promise((resolve) => setImmediate(resolve));
    const way = { feed: this.#feed, held: this.#held };
    while (this.#waiting.length > 0)
      await new CommitBatch(way, this.#name, this.#closing.signal).commit(this.#take());
    // No await since the last look at the queue: what came in between would wait for a run that is over.
    this.#running = null;
  }

  #take(): BatchItem[] {
    let bytes = 0;
    let count = 0;
    for (const { what } of this.#waiting.slice(0, MAX_COMMITS_PER_PUSH)) {
      bytes += what.bytes.length;
      if (count > 0 && bytes > MAX_BATCH_BYTES) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}

import type { BridgeView } from '../bridge/bridge-view.js';
import { REMOTE_MAIN_REF } from '../git/fetch.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { readRef, updateRefs } from '../git/refs.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { HistoryCommit } from '../protocol/history.js';
import { NewsWatch } from './news-watch.js';

/** The git that reads objects is ended after this time without a read. Milliseconds. */
const READER_IDLE_MS = 60_000;

/** What is told of news on a bridge. */
export interface FeedListener {
  /** Commits of main that were not there before, the oldest first. Each comes once. */
  readonly onCommits: (commits: readonly HistoryCommit[]) => Promise<void>;
  /** What lies beside main has changed: an agent is new, has other models, or has handed back a task. */
  readonly onSideRefs: () => void;
  /** The bridge could not be read. It is tried again. */
  readonly onProblem: (error: unknown) => void;
}

/**
 * Follows main of a bridge for many who wait: one doorbell, one fetch for a ring, and only the new commits
 * are read. A lost connection is made again, and nothing is missed by it.
 */
export class BridgeFeed {
  readonly view: BridgeView;
  readonly #listener: FeedListener;
  readonly #closing = new AbortController();
  #known: string;
  /** Main may have moved to an id that we do not have yet. */
  #isBehind = true;
  /** The push of ours that is on its way: a ring for its `tip` is no news. `rang`: it has come. */
  #pushing: { readonly tip: string; rang: boolean } | null = null;
  #wantsSideRefs = false;
  #isFailing = false;
  #running: Promise<string> | null = null;
  #next: Promise<string> | null = null;
  #watch: NewsWatch | null = null;
  #reader: { readonly gitDir: string; readonly reader: ObjectReader } | null = null;

  private constructor(view: BridgeView, known: string, listener: FeedListener) {
    this.view = view;
    this.#known = known;
    this.#listener = listener;
  }

  /**
   * A feed that follows main from where this view has it, once `follow` is called. Close it; whoever opened
   * the view closes that. Throws BridgeError `no-main`.
   */
  static async open(view: BridgeView, listener: FeedListener): Promise<BridgeFeed> {
    const known = await readRef(view.repo, view.ref);
    if (known === null) {
      throw new BridgeError(`${view.connection.address.url} has no branch main`, {
        code: 'no-main',
        remedy: 'restore it from a backup, or make a new bridge with llm-bridge init',
      });
    }
    return new BridgeFeed(view, known, listener);
  }

  /** Begins to tell what is new. */
  follow(): void {
    this.#watch ??= new NewsWatch(this.view.connection, this.#closing.signal, {
      ring: (tip) => this.#rings(tip),
      look: () => this.catchUp(),
      onProblem: (error) => this.#listener.onProblem(error),
    });
  }

  /** Reads objects of the repository as it is now: a damaged clone is replaced. Its git stays open a bit. */
  reader(): ObjectReader {
    const { repo } = this.view;
    if (this.#reader?.gitDir !== repo.gitDir) {
      this.#reader?.reader.close();
      this.#reader = { gitDir: repo.gitDir, reader: openObjectReader(repo, { idleMs: READER_IDLE_MS }) };
    }
    return this.#reader.reader;
  }

  /** Whether the last look failed, or nobody tells us of what is new. */
  get isAiling(): boolean {
    return this.#isFailing || this.#watch?.isDeaf === true;
  }

  /** Main as it is known here. Elsewhere it may be further on. */
  tip(): string {
    return this.#known;
  }

  /** Main as far as we were told; what is new is fetched and handed on first. Throws as catchUp does. */
  async newestTip(): Promise<string> {
    if (this.view.isLocal) return (await readRef(this.view.repo, this.view.ref)) ?? this.#known;
    return this.#isBehind ? await this.catchUp() : this.#known;
  }

  /**
   * Fetches what is new by now, hands it on, and returns the tip; with `sideRefs` also what lies beside
   * main. Throws what a fetch throws, and what `onCommits` throws: the same commits come again then.
   */
  catchUp({ sideRefs = false }: { readonly sideRefs?: boolean } = {}): Promise<string> {
    if (sideRefs) this.#wantsSideRefs = true;
    if (this.#running === null) return this.#start();
    // The look that runs may have read main before the news that the caller has heard of.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#start();
      });
    return this.#next;
  }

  /**
   * Runs a push that moves main to `tip`, or finds that it cannot. The doorbell rings for it before it ends.
   * There is a fetch for that ring only where the push ends without `moved`: our own commits are here
   * already, and a client that waits for the first words of an answer would wait for that fetch.
   */
  async pushing<T>(tip: string, push: () => Promise<T>): Promise<T> {
    const mine = { tip, rang: false };
    this.#pushing = mine;
    try {
      return await push();
    } finally {
      this.#pushing = null;
      if (mine.rang && this.#known !== tip) this.#watch?.ring(tip);
    }
  }

  /** Our own commits took main from `from` to `to`: they are not news to anybody. */
  async moved(from: string, to: string): Promise<void> {
    if (!this.view.isLocal)
      await updateRefs(this.view.repo, [{ ref: REMOTE_MAIN_REF, to, from }], 'pushed').catch(() => {});
    if (this.#known === from) this.#known = to;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watch?.ended;
    await this.#next?.catch(() => {});
    await this.#running?.catch(() => {});
    this.#reader?.reader.close();
  }

  #start(): Promise<string> {
    this.#running = this.#catchUp().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Whether a ring is a reason to look. */
  #rings(tip?: string): boolean {
    if (tip === this.#known) return false;
    if (tip !== undefined && tip === this.#pushing?.tip) {
      this.#pushing.rang = true;
      return false;
    }
    this.#isBehind = true;
    if (tip === undefined) this.#listener.onSideRefs();
    return true;
  }

  async #catchUp(): Promise<string> {
    const { view } = this;
    const { signal } = this.#closing;
    const from = this.#known;
    const sideRefs = this.#wantsSideRefs;
    this.#isBehind = false;
    this.#wantsSideRefs = false;
    try {
      const commits = await view.mended(async () => {
        await view.refresh({ signal, sideRefs });
        const tip = await readRef(view.repo, view.ref);
        if (tip === null || tip === from) return [];
        return await readHistory(view.repo, { from: [tip], not: [from] }, signal);
      }, signal);
      if (commits.length > 0) await this.#listener.onCommits(commits);
      // Our own commits may have become known meanwhile, and main may be further on than what was read.
      if (this.#known === from || commits.some(({ id }) => id === this.#known))
        this.#known = commits.at(-1)?.id ?? this.#known;
      this.#isFailing = false;
      return this.#known;
    } catch (error) {
      this.#isBehind = true;
      this.#isFailing = true;
      this.#wantsSideRefs ||= sideRefs;
      throw error;
    }
  }
}

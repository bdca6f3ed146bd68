import type { WhoWorks } from '../bridge/side-refs.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { modelOfRequest, type TaskRequest } from '../protocol/request.js';
import type { BridgeFeed } from './bridge-feed.js';
import { placedFor } from './choose-bridge.js';
import { modelNotFound } from './task-errors.js';

/** What lies beside main is read again after this time. Milliseconds. */
const WHO_AGE_MS = 30_000;

/**
 * No call waits for that where the model is known already: what was read is looked at again while the call
 * is on its way, unless it is older than this. A ring says at once that agents have other models.
 * Milliseconds.
 */
const WHO_OLD_MS = 600_000;

/** A call that begins has the machine for itself for so long. Milliseconds. */
const LOOK_LATER_MS = 1_000;

/** A model that nobody seems to have is looked for again, but not more often than this. Milliseconds. */
const WHO_AGAIN_MS = 1_000;

/** Who is there and what models they have, read again only after a while. */
export class KnownModels {
  readonly #feed: BridgeFeed;
  #who: { readonly value: Promise<WhoWorks>; readonly atMs: number } | null = null;
  #last: WhoWorks | null = null;
  /** What was read last, unless it has changed since. */
  #current: WhoWorks | null = null;
  #later: NodeJS.Timeout | undefined;

  constructor(feed: BridgeFeed) {
    this.#feed = feed;
  }

  /**
   * Who is there, and what they have. `maxAgeMs`: how old that may be, in milliseconds. Throws what reading
   * the bridge throws.
   */
  who(maxAgeMs = WHO_AGE_MS): Promise<WhoWorks> {
    return this.#whoSince(performance.now() - maxAgeMs);
  }

  /** What was read last, however long ago; null before the first time. */
  last(): WhoWorks | null {
    return this.#last;
  }

  /** What was read is out of date. */
  changed(): void {
    this.#who = null;
    this.#current = null;
  }

  /** Looks at nothing any more by itself. */
  close(): void {
    clearTimeout(this.#later);
  }

  /** Throws ApiError 404 where a model is named that no agent has: a typing error is told at once. */
  async require(asked: TaskRequest): Promise<void> {
    const model = modelOfRequest(asked);
    if (model === undefined) return;
    if (!(await this.has(model))) throw modelNotFound(model);
  }

  /** Whether an agent has a model; true also where nobody can tell. */
  async has(model: string): Promise<boolean> {
    const isKnown = async (sinceMs: number) => this.#mayHave(await this.#whoSince(sinceMs), model);
    const nowMs = performance.now();
    const current = this.#current;
    if (current !== null && this.#isFresh(nowMs - WHO_OLD_MS) && this.#mayHave(current, model)) {
      if (!this.#isFresh(nowMs - WHO_AGE_MS)) this.#lookLater();
      return true;
    }
    try {
      return (await isKnown(nowMs - WHO_AGE_MS)) || (await isKnown(nowMs - WHO_AGAIN_MS));
    } catch (error) {
      // Where the bridge cannot be read, asking fails as well, and says why.
      if (error instanceof BridgeError) return true;
      throw error;
    }
  }

  /** True also where nobody can tell: no agent has said what it has, or one that is there does not say. */
  #mayHave(who: WhoWorks, model: string): boolean {
    const { serverNow, claimLeaseMs } = this.#feed.view.terms;
    const bridge = { nowMs: serverNow(), takesClaims: claimLeaseMs !== null };
    return placedFor(model, who, bridge).availability !== 'none';
  }

  /** Whether it was read since then, and nobody has said that it has changed. */
  #isFresh(sinceMs: number): boolean {
    return this.#who !== null && this.#who.atMs >= sinceMs;
  }

  #lookLater(): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      // Whoever needs it then has it looked at again.
      this.who().catch(() => {});
    }, LOOK_LATER_MS).unref();
  }

  #whoSince(sinceMs: number): Promise<WhoWorks> {
    if (this.#who === null || !this.#isFresh(sinceMs)) {
      const value = this.#look();
      this.#who = { value, atMs: performance.now() };
      value.then(
        (who) => {
          if (this.#who?.value === value) this.#current = who;
        },
        () => {
          if (this.#who?.value === value) this.#who = null;
        },
      );
    }
    return this.#who.value;
  }

  async #look(): Promise<WhoWorks> {
    const { view } = this.#feed;
    await this.#feed.catchUp({ sideRefs: true });
    this.#last = await view.mended(() => view.whoWorks());
    return this.#last;
  }
}

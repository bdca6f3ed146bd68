import type { BridgeView } from '../bridge/bridge-view.js';
import { openPushAhead, type PushAhead } from '../bridge/push-ahead.js';
import type { NewObject } from '../git/loose-object.js';
import type { PushOutcome } from '../git/push.js';
import { packOf } from '../git/write-pack.js';

/**
 * A push that is larger goes by `git push`, which sends the difference to what is there: a conversation comes
 * whole with every turn. Bytes.
 */
const MAX_BYTES = 64 * 1024;

/**
 * The session for the next push is opened this long after one, when the model has been asked: both would want
 * the same processor. Milliseconds.
 */
const OPEN_AFTER_MS = 200;

/** It is closed where nothing was pushed for this time; the server ends it after a minute. Milliseconds. */
const HOLD_MS = 50_000;

/** Where a session has failed, none is tried again for this time. Milliseconds. */
const PAUSE_MS = 60_000;

/**
 * The pushes of a gateway that is not on the machine of its bridge. Between two calls it holds a session open
 * for the next one, for a while. Nothing depends on that: what does not go this way goes by `git push`.
 */
export class HeldPush {
  readonly #view: BridgeView;
  readonly #signal: AbortSignal;
  #session: PushAhead | null = null;
  readonly #closing = new Set<Promise<void>>();
  #opening: NodeJS.Timeout | undefined;
  #ending: NodeJS.Timeout | undefined;
  #pausedUntilMs = 0;

  constructor(view: BridgeView, signal: AbortSignal) {
    this.#view = view;
    this.#signal = signal;
  }

  /**
   * Moves main; null where that is to be done by `git push`, and nothing was sent. Throws as pushCommit does.
   */
  async push(from: string, to: string, objects: readonly NewObject[]): Promise<PushOutcome | null> {
    const ids = this.#view.repo.ownIds;
    if (ids === undefined || !this.#view.terms.hasPushAhead || performance.now() < this.#pausedUntilMs)
      return null;
    let bytes = 0;
    for (const { content } of objects) bytes += content.length;
    if (bytes > MAX_BYTES) return null;
    const session = this.#take();
    if (session === null) return null;
    let outcome: PushOutcome | null = null;
    try {
      outcome = await session.push({ from, to, pack: await packOf(objects, ids) }, ids, this.#signal);
    } finally {
      if (outcome === null) this.#pausedUntilMs = performance.now() + PAUSE_MS;
      else if (outcome.status === 'pushed') this.#openSoon();
      this.#close(session);
    }
    return outcome;
  }

  /** Ends what is open. */
  async close(): Promise<void> {
    clearTimeout(this.#opening);
    this.#drop();
    await Promise.all(this.#closing);
  }

  #take(): PushAhead | null {
    clearTimeout(this.#opening);
    clearTimeout(this.#ending);
    const held = this.#session?.isOpen() === true ? this.#session : openPushAhead(this.#view.connection);
    if (held !== this.#session) this.#drop();
    this.#session = null;
    return held;
  }

  #openSoon(): void {
    clearTimeout(this.#opening);
    this.#opening = setTimeout(() => {
      if (this.#signal.aborted || this.#session !== null) return;
      this.#session = openPushAhead(this.#view.connection);
      this.#ending = setTimeout(() => this.#drop(), HOLD_MS);
    }, OPEN_AFTER_MS);
  }

  #drop(): void {
    clearTimeout(this.#ending);
    if (this.#session !== null) this.#close(this.#session);
    this.#session = null;
  }

  #close(session: PushAhead): void {
    const closed = session.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}

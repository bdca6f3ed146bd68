import type { BridgeView } from '../bridge/bridge-view.js';
import { HeldSession } from '../bridge/held-session.js';
import { openPushAhead, type PushAhead } from '../bridge/push-ahead.js';
import type { NewObject } from '../git/loose-object.js';
import type { PushOutcome } from '../git/push.js';
import { packOf } from '../git/write-pack.js';

/**
 * A push that is larger goes by `git push`, which sends the difference to what is there: a conversation
 * comes whole with every turn. Bytes.
 */
const MAX_BYTES = 64 * 1024;

/** Where a session has failed, none is tried again for this time. Milliseconds. */
const PAUSE_MS = 60_000;

/**
 * The pushes of a gateway that is not on the machine of its bridge. Between two calls it holds a session
 * open for the next one, for a while. Nothing depends on that: what does not go this way goes by `git push`.
 */
export class HeldPush {
  readonly #view: BridgeView;
  readonly #signal: AbortSignal;
  readonly #held: HeldSession<PushAhead>;
  #pausedUntilMs = 0;

  constructor(view: BridgeView, signal: AbortSignal) {
    this.#view = view;
    this.#signal = signal;
    this.#held = new HeldSession(() => (signal.aborted ? null : openPushAhead(view.connection)));
  }

  /**
   * Moves main; null where that is to be done by `git push`, and nothing was sent. Throws as pushCommit
   * does.
   */
  async push(from: string, to: string, objects: readonly NewObject[]): Promise<PushOutcome | null> {
    const ids = this.#view.repo.ownIds;
    if (ids === undefined || !this.#view.terms.hasPushAhead || performance.now() < this.#pausedUntilMs)
      return null;
    let bytes = 0;
    for (const { content } of objects) bytes += content.length;
    if (bytes > MAX_BYTES) return null;
    const session = this.#held.take() ?? openPushAhead(this.#view.connection);
    if (session === null) return null;
    let outcome: PushOutcome | null = null;
    try {
      outcome = await session.push({ from, to, pack: await packOf(objects, ids) }, ids, this.#signal);
    } finally {
      if (outcome === null) this.#pausedUntilMs = performance.now() + PAUSE_MS;
      else if (outcome.status === 'pushed') this.#held.expect();
      this.#held.end(session);
    }
    return outcome;
  }

  /** Ends what is open. */
  async close(): Promise<void> {
    await this.#held.close();
  }
}

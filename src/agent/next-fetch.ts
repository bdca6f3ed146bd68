import type { BridgeConnection } from '../bridge/connection.js';
import { type FetchAhead, openFetchAhead } from '../bridge/fetch-ahead.js';
import { HeldSession } from '../bridge/held-session.js';
import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { unpackMain } from '../git/unpack-main.js';

/**
 * The fetch that the next ring of the doorbell will want: for a while after one, a session is held open for
 * it. It brings main and nothing beside it. Nothing depends on it: what does not come this way is fetched by
 * git.
 */
export class NextFetch {
  readonly #clone: Repository;
  readonly #reader: ObjectReader;
  readonly #held: HeldSession<FetchAhead>;

  constructor(context: {
    readonly connection: BridgeConnection;
    readonly clone: Repository;
    readonly reader: ObjectReader;
  }) {
    this.#clone = context.clone;
    this.#reader = context.reader;
    this.#held = new HeldSession(() => openFetchAhead(context.connection));
  }

  /** A ring has come, and another may follow. Only where the bridge has `hasFetchAhead`. */
  expect(): void {
    this.#held.expect();
  }

  /**
   * Brings the clone from what it has of main to what there is, and returns that. Null where it is to be
   * done by git. Throws the signal's reason.
   */
  async bring(from: string, signal: AbortSignal): Promise<string | null> {
    const session = this.#held.take();
    if (session === null) return null;
    try {
      const fetched = await session.fetch(from, signal);
      if (fetched === null) return null;
      const { tip: to, pack } = fetched;
      return (await unpackMain(this.#clone, this.#reader, { from, to, pack })) ? to : null;
    } finally {
      this.#held.end(session);
    }
  }

  /** Ends what is open. */
  async close(): Promise<void> {
    await this.#held.close();
  }
}

import { type BridgeConnection, openDoorbell } from '../bridge/connection.js';
import { createNotifier } from '../bridge/notifier.js';

/**
 * With a doorbell this poll is only a safety net; without one it is how an answer is found. Milliseconds.
 */
const SAFETY_POLL_MS = 30_000;
const POLL_MS = 2_000;

/** What looks for news, and says when it is worth a look. */
export interface NewsLooker {
  /**
   * Whether this ring is a reason to look. `tip`: the new tip of main; undefined for what lies beside it.
   */
  readonly ring: (tip?: string) => boolean;
  /** Looks for what is new. What it throws goes to `onProblem`, and it is asked again soon. */
  readonly look: () => Promise<unknown>;
  readonly onProblem: (error: unknown) => void;
}

/** Has a bridge looked at for news: at a ring of its doorbell, and now and then without one. */
export class NewsWatch {
  /** Resolves once the signal has ended it, and the doorbell is closed. */
  readonly ended: Promise<void>;
  readonly #looker: NewsLooker;
  readonly #notifier = createNotifier();
  /** Whether the doorbell would ring now. */
  #hears = () => true;

  constructor(connection: BridgeConnection, signal: AbortSignal, looker: NewsLooker) {
    this.#looker = looker;
    this.ended = this.#watch(connection, signal);
  }

  /** True while nobody would tell us of what is new. */
  get isDeaf(): boolean {
    return !this.#hears();
  }

  /** Does what a ring of the doorbell does. */
  ring(tip?: string): void {
    if (this.#looker.ring(tip)) this.#notifier.ring();
  }

  async #watch(connection: BridgeConnection, signal: AbortSignal): Promise<void> {
    const doorbell = openDoorbell(connection, { ring: (tip) => this.ring(tip) });
    let hasHeard = false;
    this.#hears = () => {
      // Until it is connected for the first time, nothing is wrong.
      hasHeard ||= doorbell.connected();
      return !hasHeard || doorbell.connected();
    };
    try {
      for (let failures = 0; !signal.aborted; ) {
        const pollMs = failures === 0 && doorbell.connected() ? SAFETY_POLL_MS : POLL_MS;
        await this.#notifier.wait(pollMs, signal);
        if (signal.aborted) return;
        try {
          await this.#looker.look();
          failures = 0;
        } catch (error) {
          failures += 1;
          if (!signal.aborted) this.#looker.onProblem(error);
        }
      }
    } finally {
      await doorbell.close();
    }
  }
}

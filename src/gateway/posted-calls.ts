import type { AskedCall } from './asked-call.js';
import { contentOf, keyOf } from './call-content.js';
import type { RecordedKey } from './recorded-keys.js';
import { keyReused } from './task-errors.js';

/** The most keys that are known; beyond them the oldest are forgotten. */
const MAX_KEYS = 10_000;

/**
 * The calls with an `Idempotency-Key` that go on without their client. A client that lost the reply sends
 * its call again, and gets the task that was made for it. A gateway that was started again reads the keys of
 * before from the record, when the first call with a key comes.
 */
export class PostedCalls {
  readonly #recorded: () => Promise<readonly RecordedKey[]>;
  #reading: Promise<void> | null = null;
  readonly #byKey = new Map<string, { readonly content: string; readonly task: Promise<string> }>();

  constructor(recorded: () => Promise<readonly RecordedKey[]>) {
    this.#recorded = recorded;
  }

  /** Whether there is a call with this key. Throws ApiError 422 for the key of another call. */
  async knows(asked: AskedCall): Promise<boolean> {
    const key = keyOf(asked);
    if (key !== null) await this.#readRecorded();
    const known = key === null ? undefined : this.#byKey.get(key);
    if (known !== undefined && known.content !== contentOf(asked)) throw keyReused();
    return known !== undefined;
  }

  /** Reads the keys of before, for `requireFree`. Throws what reading the bridge throws. */
  async ready(asked: AskedCall): Promise<void> {
    if (keyOf(asked) !== null) await this.#readRecorded();
  }

  /**
   * Throws ApiError 422 where the key of a call that waits is that of one that goes on without its client.
   */
  requireFree(asked: AskedCall): void {
    const key = keyOf(asked);
    if (key !== null && this.#byKey.has(key)) throw keyReused();
  }

  /**
   * The task of the call with this key; where there is none, the one that `ask` makes. A failure of `ask` is
   * not remembered. Throws ApiError 422 for the key of another call.
   */
  async once(asked: AskedCall, ask: () => Promise<string>): Promise<string> {
    const key = keyOf(asked);
    if (key === null) return await ask();
    const content = contentOf(asked);
    await this.#readRecorded();
    const known = this.#byKey.get(key);
    if (known !== undefined && known.content !== content) throw keyReused();
    if (known !== undefined) return await known.task;
    const task = ask();
    this.#remember(key, { content, task });
    try {
      return await task;
    } catch (error) {
      this.#byKey.delete(key);
      throw error;
    }
  }

  #readRecorded(): Promise<void> {
    this.#reading ??= this.#recorded().then(
      (keys) => {
        for (const { key, content, task } of keys)
          if (!this.#byKey.has(key)) this.#remember(key, { content, task: Promise.resolve(task) });
      },
      (error: unknown) => {
        this.#reading = null;
        throw error;
      },
    );
    return this.#reading;
  }

  #remember(key: string, call: { readonly content: string; readonly task: Promise<string> }): void {
    this.#byKey.set(key, call);
    for (const [oldest] of this.#byKey) {
      if (this.#byKey.size <= MAX_KEYS) break;
      this.#byKey.delete(oldest);
    }
  }
}

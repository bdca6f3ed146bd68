import type { AskedCall } from './asked-call.js';
import { contentOf, keyOf } from './call-content.js';
import { keyReused } from './task-errors.js';

/** As many keys are known; of more the oldest are forgotten. */
const MAX_KEYS = 10_000;

/**
 * The calls with an `Idempotency-Key` that go on without their client. A client that lost the reply sends its
 * call again, and is given the task that there is. Known as long as the gateway runs.
 */
export class PostedCalls {
  readonly #byKey = new Map<string, { readonly content: string; readonly task: Promise<string> }>();

  /** Whether there is a call with this key. Throws ApiError 422 for the key of another call. */
  knows(asked: AskedCall): boolean {
    const key = keyOf(asked);
    const known = key === null ? undefined : this.#byKey.get(key);
    if (known !== undefined && known.content !== contentOf(asked)) throw keyReused();
    return known !== undefined;
  }

  /**
   * The task of the call with this key, or what `ask` resolves with, whose failure is not remembered. Throws
   * ApiError 422 for the key of another call.
   */
  async once(asked: AskedCall, ask: () => Promise<string>): Promise<string> {
    const key = keyOf(asked);
    if (key === null) return await ask();
    const content = contentOf(asked);
    const known = this.#byKey.get(key);
    if (known !== undefined && known.content !== content) throw keyReused();
    if (known !== undefined) return await known.task;
    const task = ask();
    this.#byKey.set(key, { content, task });
    for (const [oldest] of this.#byKey) {
      if (this.#byKey.size <= MAX_KEYS) break;
      this.#byKey.delete(oldest);
    }
    try {
      return await task;
    } catch (error) {
      this.#byKey.delete(key);
      throw error;
    }
  }
}

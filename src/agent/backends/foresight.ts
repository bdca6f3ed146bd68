import { untilAborted } from '../../bridge/notifier.js';

/**
 * What a server said of its models is as good as new for this long: the fetch of a task takes no longer on a
 * slow line. Milliseconds.
 */
const FRESH_MS = 1_000;

/** How to ask a model server about its models. */
export interface Lookups {
  /**
   * Returns what the server answers; `key` tells one question from another. Rejects as `ask` does, and with
   * the signal's reason once it is aborted.
   */
  answer(key: string, ask: () => Promise<unknown>, signal: AbortSignal): Promise<unknown>;
  /** A prompt is about to be sent, and may load a model: what was asked before no longer counts. */
  forget(): void;
}

interface Foreseen {
  readonly atMs: number;
  readonly answer: Promise<unknown>;
  /** How often it was asked for. It may be used as often. */
  times: number;
}

/**
 * Asks a model server about its models when the doorbell rings, while the task is still being fetched, so
 * that the task finds the answers. Nothing that is used is older than FRESH_MS, or from before a prompt was
 * sent, which may load a model.
 */
export class Foresight implements Lookups {
  readonly #foreseen = new Map<string, Foreseen>();
  readonly #nowMs: () => number;

  /** `nowMs`: a clock that never jumps. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Returns what was asked ahead, and asks now where there is nothing, or it is too old, or it failed. */
  async answer(key: string, ask: () => Promise<unknown>, signal: AbortSignal): Promise<unknown> {
    const found = this.#foreseen.get(key);
    if (found === undefined || this.#isOld(found)) return await ask();
    found.times -= 1;
    if (found.times === 0) this.#foreseen.delete(key);
    try {
      return await untilAborted(found.answer, signal);
    } catch {
      signal.throwIfAborted();
      return await ask();
    }
  }

  /** The lookups that ask ahead, and keep the answers for `answer`. */
  ahead(): Lookups {
    return {
      answer: (key, ask) => {
        const found = this.#foreseen.get(key);
        if (found !== undefined && !this.#isOld(found)) {
          found.times += 1;
          return found.answer;
        }
        const answer = ask();
        // Nobody may be waiting for it when it fails.
        answer.catch(() => {});
        this.#foreseen.set(key, { atMs: this.#nowMs(), answer, times: 1 });
        return answer;
      },
      forget: () => this.forget(),
    };
  }

  forget(): void {
    this.#foreseen.clear();
  }

  /** Whether there is no answer that was asked ahead and may still be used. */
  isEmpty(): boolean {
    return ![...this.#foreseen.values()].some((one) => !this.#isOld(one));
  }

  #isOld({ atMs }: Foreseen): boolean {
    return this.#nowMs() - atMs > FRESH_MS;
  }
}

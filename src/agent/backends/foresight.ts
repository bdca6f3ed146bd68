import { untilAborted } from '../../bridge/notifier.js';

/**
 * What a server said so long ago of its models is as good as asked now: no longer than the fetch of a task
 * takes on a slow line. Milliseconds.
 */
const FRESH_MS = 1_000;

/** How what a model server says of its models is asked for. */
export interface Lookups {
  /**
   * What the server answers; `key` tells one question from another. Rejects as `ask` does, and with the
   * signal's reason once it is aborted.
   */
  answer(key: string, ask: () => Promise<unknown>, signal: AbortSignal): Promise<unknown>;
  /** A prompt is about to be sent, which may load a model: what was asked before does not count any more. */
  forget(): void;
}

interface Foreseen {
  readonly atMs: number;
  readonly answer: Promise<unknown>;
  /** So often it was asked for, and so often it may be used. */
  times: number;
}

/**
 * Lets a task find what its model server says of its models, because it was asked when the doorbell rang:
 * the task is fetched meanwhile. Nothing that is used is older than FRESH_MS, or from before a prompt was
 * sent, which may load a model.
 */
export class Foresight implements Lookups {
  readonly #foreseen = new Map<string, Foreseen>();
  readonly #nowMs: () => number;

  /** `nowMs`: a clock that never jumps. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Gives what was foreseen, and asks where that is nothing, too old, or a failure. */
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

  /** What asks ahead, and keeps the answers for `answer`. */
  ahead(): Lookups {
    return {
      answer: (key, ask) => {
        const found = this.#foreseen.get(key);
        if (found !== undefined && !this.#isOld(found)) {
          found.times += 1;
          return found.answer;
        }
        const answer = ask();
        // Whoever asked ahead may be gone by then.
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

  /** Whether nothing was asked ahead that may still be used. */
  isEmpty(): boolean {
    return ![...this.#foreseen.values()].some((one) => !this.#isOld(one));
  }

  #isOld({ atMs }: Foreseen): boolean {
    return this.#nowMs() - atMs > FRESH_MS;
  }
}

import type { StreamPiece } from '../protocol/stream.js';
import type { TaskStreams } from './task-streams.js';
import { TokenRates } from './token-rates.js';

/** The most streams that are followed for their rates alone: what more a server allows is for clients. */
const MAX_FOLLOWED = 32;

/** When nobody has asked for this time, no page is open any more. Milliseconds. */
const UNASKED_MS = 30_000;

/** The rates of running tasks, whoever asked them: their streams are followed while somebody looks. */
export class HeardRates {
  readonly #rates = new TokenRates();
  readonly #streams: Pick<TaskStreams, 'follow' | 'leave'>;
  /** The tasks whose streams are followed for their rates alone. */
  readonly #followed = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(streams: Pick<TaskStreams, 'follow' | 'leave'>) {
    this.#streams = streams;
  }

  take(task: string, piece: StreamPiece): void {
    this.#rates.take(task, piece);
  }

  /**
   * Tokens a second of those of these tasks that are heard. `isFollowed`: whether the stream of a task is
   * followed for a client already.
   */
  of(running: readonly string[], isFollowed: (task: string) => boolean): ReadonlyMap<string, number> {
    for (const task of this.#followed) if (!running.includes(task)) this.release(task);
    for (const task of running) {
      if (this.#followed.size === MAX_FOLLOWED || isFollowed(task) || this.#followed.has(task)) continue;
      this.#followed.add(task);
      this.#streams.follow(task);
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), UNASKED_MS);
    this.#timer.unref();
    return new Map(
      running.flatMap((task) => {
        const rate = this.#rates.of(task);
        return rate === null ? [] : [[task, rate] as const];
      }),
    );
  }

  /** A client follows the task from its beginning, or nobody does any more. */
  release(task: string): void {
    this.#rates.forget(task);
    if (this.#followed.delete(task)) this.#streams.leave(task);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const task of this.#followed) this.release(task);
  }
}

import { statSync } from 'node:fs';
import path from 'node:path';
import type { BridgeTerms } from '../bridge/bridge-terms.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { ApiError } from './api-errors.js';
import { isAboutTask, notTaken } from './task-errors.js';

/** A server elsewhere is asked no more often than this, and only while somebody calls. Milliseconds. */
const AGE_MS = 60_000;

/**
 * The terms of a bridge for a program that runs for months: its owner changes limits, and `init` brings new
 * features. On the machine of the bridge a change counts from the next call on; elsewhere it counts once the
 * server was asked again, which no call waits for.
 */
export class FreshTerms {
  readonly #view: BridgeView;
  readonly #tell: (error: unknown) => void;
  #askedAtMs = performance.now();
  #config = '';
  #learning: Promise<void> | null = null;

  /** `tell`: to whoever runs the gateway. */
  constructor(view: BridgeView, tell: (error: unknown) => void) {
    this.#view = view;
    this.#tell = tell;
  }

  /** The terms as they are known now. Where they cannot be read, those of before. */
  async now(): Promise<BridgeTerms> {
    if (!this.#view.isLocal) {
      if (performance.now() - this.#askedAtMs > AGE_MS) this.#askAgain();
      return this.#view.terms;
    }
    // The file is looked at without an await, so that calls that come together go on together.
    const config = stampOf(path.join(this.#view.repo.gitDir, 'config'));
    if (config !== this.#config) {
      this.#config = config;
      this.#learning = this.#view.learnTerms().catch(() => {});
    }
    await this.#learning;
    return this.#view.terms;
  }

  /**
   * The error for a call that the bridge has not taken. Where it refused what its terms allow, they are old.
   * What the client does not learn is told to whoever runs the gateway.
   */
  notTaken(error: unknown): ApiError {
    if (error instanceof BridgeError && !error.retryable) this.#askAgain();
    if (error instanceof BridgeError && !isAboutTask(error)) this.#tell(error);
    return notTaken(error);
  }

  #askAgain(): void {
    this.#askedAtMs = performance.now();
    if (!this.#view.isLocal) void this.#view.learnTerms().catch(() => {});
  }
}

/** A text that changes whenever the file is written or replaced. */
function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? '' : `${found.ino} ${found.mtimeNs} ${found.size}`;
}

import { statSync } from 'node:fs';
import path from 'node:path';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { BridgeTerms } from '../bridge/connection.js';

/** A server elsewhere is asked no more often than this, and only while somebody calls. Milliseconds. */
const AGE_MS = 60_000;

/**
 * The terms of a bridge for a program that runs for months: its owner changes limits, and `init` brings new
 * features. Beside the bridge a change holds for the next call; elsewhere for those that come after the
 * server was asked again, which no call waits for.
 */
export class FreshTerms {
  readonly #view: BridgeView;
  #askedAtMs = performance.now();
  #config = '';
  #learning: Promise<void> | null = null;

  constructor(view: BridgeView) {
    this.#view = view;
  }

  /** The terms as they are known now. Where they cannot be read, those of before. */
  async now(): Promise<BridgeTerms> {
    if (!this.#view.isLocal) {
      if (performance.now() - this.#askedAtMs > AGE_MS) this.outdated();
      return this.#view.terms;
    }
    // A look without a turn of the event loop: calls that come together go on together.
    const config = stampOf(path.join(this.#view.repo.gitDir, 'config'));
    if (config !== this.#config) {
      this.#config = config;
      this.#learning = this.#view.learnTerms().catch(() => {});
    }
    await this.#learning;
    return this.#view.terms;
  }

  /** The bridge has refused something that its terms allow: they are asked for at once. */
  outdated(): void {
    this.#askedAtMs = performance.now();
    if (!this.#view.isLocal) void this.#view.learnTerms().catch(() => {});
  }
}

/** Changes whenever a file is written or replaced. */
function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? '' : `${found.ino} ${found.mtimeNs} ${found.size}`;
}

import type { ServerResponse } from 'node:http';
import type { TokenKeeper } from '../../admin/token-keeper.js';

/** How often the names are looked at while calls with tokens are open. Milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** Ends the open calls of a token that is removed: those that wait, and those that receive a stream. */
export class TokenWatch {
  readonly #tokens: Pick<TokenKeeper, 'hasName'>;
  readonly #lookEveryMs: number;
  readonly #open = new Map<ServerResponse, string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(tokens: Pick<TokenKeeper, 'hasName'>, lookEveryMs = LOOK_EVERY_MS) {
    this.#tokens = tokens;
    this.#lookEveryMs = lookEveryMs;
  }

  /** A call came with the token of this name; its answer goes to `outgoing`. */
  add(outgoing: ServerResponse, name: string): void {
    this.#open.set(outgoing, name);
    outgoing.once('close', () => {
      this.#open.delete(outgoing);
      if (this.#open.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    });
    this.#timer ??= setInterval(() => this.#look(), this.#lookEveryMs).unref();
  }

  #look(): void {
    for (const [outgoing, name] of this.#open) if (!this.#isThere(name)) outgoing.destroy();
  }

  /** While the tokens cannot be read nobody comes in, and who is in stays. */
  #isThere(name: string): boolean {
    try {
      return this.#tokens.hasName(name);
    } catch {
      return true;
    }
  }
}

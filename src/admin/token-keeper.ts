import { timingSafeEqual } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { hashOf, readTokens } from './token-file.js';

/** The tokens of a gateway that runs, as the file has them now. */
export class TokenKeeper {
  readonly #file: string;
  #stamp = '';
  #known: readonly { readonly name: string; readonly hash: Buffer }[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Whether calls need a token: the file is there. So the removal of the last token shuts all out, and does
   * not let all in. Throws BridgeError `token-file`.
   */
  get isInUse(): boolean {
    this.#look();
    return this.#stamp !== '';
  }

  /**
   * The name of a token; null where there is no such token. Every wrong token takes the same time. Throws
   * BridgeError `token-file`: then nobody is let in.
   */
  nameOf(token: string): string | null {
    this.#look();
    const hash = hashOf(token);
    let found: string | null = null;
    for (const one of this.#known) if (timingSafeEqual(hash, one.hash)) found = one.name;
    return found;
  }

  /** Whether there is a token of this name. Throws BridgeError `token-file`. */
  hasName(name: string): boolean {
    this.#look();
    return this.#known.some((one) => one.name === name);
  }

  /** Reads the file where it has changed since the last look. */
  #look(): void {
    const stats = statSync(this.#file, { throwIfNoEntry: false, bigint: true });
    const stamp = stats === undefined ? '' : `${stats.ino} ${stats.mtimeNs} ${stats.size}`;
    if (stamp === this.#stamp) return;
    // A disk that is away takes the file with it: what was read before holds, for nobody has removed it.
    if (stats === undefined && !existsSync(path.dirname(this.#file))) return;
    const tokens = Object.entries(readTokens(this.#file));
    this.#known = tokens.map(([name, { sha256 }]) => ({ name, hash: Buffer.from(sha256, 'hex') }));
    this.#stamp = stamp;
  }
}

/** A clock whose error changed by less than this counts as unchanged. Milliseconds. */
const SAME_CLOCK_MS = 5_000;

/** What a person was told about an agent's name, clock and connection, so that nothing is said twice. */
export class ToldNews {
  #said: { readonly name: string; readonly behindMs: number } | null = null;
  #arrivedAs: string | null = null;

  /**
   * Whether a person is to be told what may be wrong with our name and our clock (`behindMs` behind the
   * server's): true the first time, and when one of them has changed.
   */
  isNews(name: string, behindMs: number): boolean {
    const said = this.#said;
    if (said?.name === name && Math.abs(said.behindMs - behindMs) < SAME_CLOCK_MS) return false;
    this.#said = { name, behindMs };
    return true;
  }

  /** Whether main was now reached under this name and not under it before, which a person is told. */
  isArrival(name: string): boolean {
    const isFirst = this.#arrivedAs !== name;
    this.#arrivedAs = name;
    return isFirst;
  }
}

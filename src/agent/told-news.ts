/** Two clocks that drift apart by less are as far off as before. Milliseconds. */
const SAME_CLOCK_MS = 5_000;

/** What a person was told of how an agent stands to its bridge, so that nothing is said twice. */
export class ToldNews {
  #said: { readonly name: string; readonly behindMs: number } | null = null;
  #arrivedAs: string | null = null;

  /**
   * Whether a person is to be told what may be wrong with our name and our clock (`behindMs` behind the
   * server's): the first time, and where one of them has changed. A server that is asked again says the same
   * each time.
   */
  isNews(name: string, behindMs: number): boolean {
    const said = this.#said;
    if (said?.name === name && Math.abs(said.behindMs - behindMs) < SAME_CLOCK_MS) return false;
    this.#said = { name, behindMs };
    return true;
  }

  /** Whether main was reached by this name for the first time, which a person is told. */
  isArrival(name: string): boolean {
    const isFirst = this.#arrivedAs !== name;
    this.#arrivedAs = name;
    return isFirst;
  }
}

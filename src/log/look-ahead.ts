/** A sequence and its first elements, which were read ahead. */
export interface Ahead<T> {
  /** The whole sequence where all of it was read ahead, else null. */
  readonly seen: readonly T[] | null;
  /** The whole sequence from its beginning. It can be read once. */
  readonly all: AsyncIterable<T>;
}

/** Reads up to `max` elements ahead. Throws what the sequence throws there. */
export async function lookAhead<T>(source: AsyncGenerator<T>, max: number): Promise<Ahead<T>> {
  const seen: T[] = [];
  for (;;) {
    const next = await source.next();
    if (next.done) return { seen, all: from(seen) };
    seen.push(next.value);
    if (seen.length > max) return { seen: null, all: from(seen, source) };
  }
}

async function* from<T>(seen: readonly T[], rest?: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* seen;
    if (rest !== undefined) yield* rest;
  } finally {
    // Needed also where the reader stops early; otherwise git would continue to walk.
    await rest?.return(undefined);
  }
}

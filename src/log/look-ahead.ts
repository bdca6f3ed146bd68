/** A sequence whose beginning was looked at. */
export interface Ahead<T> {
  /** All of it where it has no more than was looked at, else null. */
  readonly seen: readonly T[] | null;
  /** The whole sequence from its beginning; to be read once. */
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
    // Also where the reader stops early, or git would go on walking.
    await rest?.return(undefined);
  }
}

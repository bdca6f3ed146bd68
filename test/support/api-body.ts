/** What a model server counts or makes up anew for each answer. */
const ITS_OWN = /^(?:id|created|created_at|completed_at|timings|[a-z_]+_duration|logprob|cached_tokens)$/;

/**
 * The body of an API as far as two answers to the same call have to agree: without ids, times, durations and
 * the numbers of log probabilities, which depend on what the server still had in memory.
 */
export function comparableBody(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparableBody);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !ITS_OWN.test(key))
      .map(([key, inner]) => [key, comparableBody(inner)]),
  );
}

/** The events of a stream: blocks of SSE, or lines of JSON. */
export function eventsIn(stream: string): string[] {
  const isSse = /^(?:data|event|:)/m.test(stream);
  return stream.split(isSse ? /\r?\n\r?\n/ : '\n').filter((event) => event.trim() !== '');
}

/** What a set of measurements comes to. In the unit of what was measured. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly p95: number;
}

/** Median and 95th percentile; NaN for an empty list, which a table shows as it is. */
export function summarise(values: readonly number[]): Summary {
  return { count: values.length, median: quantile(values, 0.5), p95: quantile(values, 0.95) };
}

/**
 * The value below which the share `share` (0 to 1) of the values lies, straight between the two nearest
 * ones.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/**
 * The order of two things that are measured in pairs: A B, B A, A B, … so that whatever drifts (a clock, a
 * cache, a neighbour on the machine) meets both alike.
 */
export function pairOrder(run: number): readonly ['a', 'b'] | readonly ['b', 'a'] {
  return run % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
}

/**
 * The order of `count` things in one round: each round begins with another one, and every other round goes
 * backwards.
 */
export function roundOrder(count: number, round: number): readonly number[] {
  const order = Array.from({ length: count }, (_, at) => (at + (round >> 1)) % count);
  return round % 2 === 0 ? order : order.reverse();
}

/**
 * Makes something once for all who ask within `ageMs`, or within four times as long as the making took,
 * whichever is later. What failed is made again for the next who asks.
 */
export function keptFor<T>(ageMs: number, make: () => Promise<T>): () => Promise<T> {
  let last: { readonly value: Promise<T>; goodUntilMs: number } | null = null;
  return () => {
    const beganMs = performance.now();
    if (last !== null && beganMs < last.goodUntilMs) return last.value;
    const made = { value: make(), goodUntilMs: Number.POSITIVE_INFINITY };
    last = made;
    made.value.then(
      () => {
        const nowMs = performance.now();
        made.goodUntilMs = Math.max(beganMs + ageMs, nowMs + 4 * (nowMs - beganMs));
      },
      () => {
        if (last === made) last = null;
      },
    );
    return made.value;
  };
}

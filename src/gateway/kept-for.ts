/** Makes something once for all who ask within a time; what failed is made again by the next. */
export function keptFor<T>(ageMs: number, make: () => Promise<T>): () => Promise<T> {
  let last: { readonly value: Promise<T>; readonly atMs: number } | null = null;
  return () => {
    if (last !== null && performance.now() - last.atMs < ageMs) return last.value;
    const made = { value: make(), atMs: performance.now() };
    last = made;
    made.value.catch(() => {
      if (last === made) last = null;
    });
    return made.value;
  };
}

/**
 * What `value` brings within `ms` milliseconds; null where that takes longer. Throws what `value` throws.
 */
export async function inTime<T>(value: Promise<T>, ms: number): Promise<{ readonly value: T } | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([value.then((one) => ({ value: one })), late]);
  } finally {
    clearTimeout(timer);
  }
}

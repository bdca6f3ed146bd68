/**
 * How long a server has for what it may say behind a whole answer: the count of its tokens, `[DONE]`. It has
 * all of that at hand. Milliseconds.
 */
const LAST_WORDS_MS = 2_000;

/**
 * The same events. Once `isWhole` says that the answer lacks nothing, they end where none comes for a moment:
 * some servers never say `[DONE]` and keep the connection, and whoever reads on until it closes holds up all
 * that waits behind this task (waybarrios/vllm-mlx#101). Closing the connection is up to the caller.
 */
export async function* untilLastWords<T>(
  events: AsyncIterable<T>,
  isWhole: () => boolean,
  patienceMs = LAST_WORDS_MS,
): AsyncGenerator<T> {
  const iterator = events[Symbol.asyncIterator]();
  let isLeft = false;
  try {
    for (;;) {
      const next = iterator.next();
      const result = isWhole() ? await within(next, patienceMs) : await next;
      isLeft = result === null;
      if (result === null || result.done === true) return;
      yield result.value;
    }
  } finally {
    // Of one that is still waited for, the end would come only with the next event.
    if (!isLeft) await iterator.return?.();
  }
}

/** What a promise brings; null where it brings nothing in time, and then it may fail unheard. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  promise.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

import { inTime } from '../../process/in-time.js';

/**
 * How long a server has for what may follow a whole answer: the count of its tokens, `[DONE]`. It knows both
 * already. Milliseconds.
 */
const LAST_WORDS_MS = 2_000;

/**
 * The same events. Once `isWhole` says that the answer lacks nothing, they end where none comes for
 * `patienceMs`: some servers never say `[DONE]` and keep the connection open, and to read on until it closes
 * would hold up all tasks behind this one (waybarrios/vllm-mlx#101). Closing the connection is up to the
 * caller.
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
      const result = isWhole() ? ((await inTime(next, patienceMs))?.value ?? null) : await next;
      isLeft = result === null;
      if (result === null || result.done === true) return;
      yield result.value;
    }
  } finally {
    // An iterator whose next event is still waited for would end only with that event.
    if (!isLeft) await iterator.return?.();
  }
}

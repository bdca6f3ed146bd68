/** Proxies end a connection that is silent for 60 s. A comment is no event. Milliseconds. */
const COMMENT_MS = 15_000;

const WAITING = ': waiting for the model\n\n';

/**
 * A stream of server-sent events as an HTTP response, with comments while nothing comes. `leave` is called
 * once the client has left, or has all of it.
 */
export function eventResponse(
  events: AsyncIterable<string>,
  { task, leave, commentMs = COMMENT_MS }: EventResponseSettings,
): Response {
  const source = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string>> | null = null;
  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<'silence'>((resolve) => {
        timer = setTimeout(() => resolve('silence'), commentMs);
      });
      next ??= source.next();
      const first = await Promise.race([next, silence]).finally(() => clearTimeout(timer));
      if (first === 'silence') {
        out.enqueue(encoder.encode(WAITING));
        return;
      }
      next = null;
      if (!first.done) {
        out.enqueue(encoder.encode(first.value));
        return;
      }
      leave();
      out.close();
    },
    cancel: () => leave(),
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // nginx would hold it back until it is whole.
      'x-accel-buffering': 'no',
      'x-llm-bridge-task': task,
    },
  });
}

interface EventResponseSettings {
  readonly task: string;
  readonly leave: () => void;
  /** How long a stream is silent before it says that it still waits; for tests. Milliseconds. */
  readonly commentMs?: number;
}

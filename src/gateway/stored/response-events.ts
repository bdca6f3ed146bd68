import { isJsonObject, type JsonObject } from '../../protocol/json-object.js';
import type { CallEvent } from '../live-call.js';
import { madeEvents } from '../made-events.js';
import { dataIn } from '../polish.js';
import { ResponsePlaces } from '../response-places.js';
import { responseObject } from './response-object.js';
import type { StoredTask } from './stored-tasks.js';

type NamedEvent = JsonObject & { readonly type: string };

/** How the stream of a response is read. */
export interface ReplaySettings {
  /** Only events with a higher number: what came before is known. -1 for all. */
  readonly startingAfter: number;
  /** Aborts when the response is cancelled: an agent that is away says so only later. */
  readonly cancelled: AbortSignal;
}

const LAST = ['response.completed', 'response.incomplete', 'response.failed'];

/**
 * The events of a response, as server-sent events: numbered from 0 whoever asks and however often, live
 * where it is being generated, else from the record. The last one always has the whole response, so a client
 * that comes back with a number of another generation, or of a stream that is no more, misses nothing.
 */
export async function* responseEvents(
  stored: StoredTask,
  events: AsyncIterable<CallEvent>,
  { startingAfter, cancelled }: ReplaySettings,
): AsyncGenerator<string, void, undefined> {
  let number = 0;
  const numbered = (event: NamedEvent): string[] => {
    const isLast = LAST.includes(event.type) || event.type === 'error';
    if (isLast) number = Math.max(number, startingAfter + 1);
    const sequence_number = number;
    number += 1;
    if (sequence_number <= startingAfter) return [];
    return [`event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`];
  };
  const queued = responseObject(stored, { status: 'queued' });
  yield* numbered({ type: 'response.created', response: queued });
  yield* numbered({ type: 'response.queued', response: queued });
  const places = new ResponsePlaces();
  let hasSaid = false;
  let isOver = false;
  for await (const what of untilCancelled(events, cancelled)) {
    if ('event' in what) {
      const own = ownEvent(stored, dataIn(what.event));
      if (own === null) continue;
      hasSaid = true;
      const event = places.fill(own);
      isOver = LAST.includes(event.type);
      yield* numbered(event);
      continue;
    }
    if ('restart' in what && !hasSaid) continue;
    if ('restart' in what || 'unanswered' in what) {
      const again = 'restart' in what;
      const [code, message] = again
        ? ['started_again', 'the model began again, so what came before is void: read the stream again']
        : ['still_waiting', 'there is no answer yet: read the stream again'];
      yield* numbered({ type: 'error', code, message, param: null });
      return;
    }
    if ('cancelled' in what) {
      yield* numbered({
        type: 'response.failed',
        response: responseObject(stored, { status: 'cancelled' }),
      });
      return;
    }
    if (isOver) return;
    const response = responseObject(stored, { status: 'answered', answer: what.answer });
    const isGood = response.status === 'completed' || response.status === 'incomplete';
    if (isGood && !hasSaid) {
      for (const made of madeEvents('/v1/responses', response)) {
        const event = ownEvent(stored, dataIn(made));
        if (event !== null) yield* numbered(event);
      }
      return;
    }
    yield* numbered({ type: isGood ? `response.${response.status}` : 'response.failed', response });
    return;
  }
}

async function* untilCancelled(
  events: AsyncIterable<CallEvent>,
  signal: AbortSignal,
): AsyncGenerator<CallEvent | { readonly cancelled: true }, void, undefined> {
  const source = events[Symbol.asyncIterator]();
  let end = () => {};
  const cancelled = new Promise<'cancelled'>((resolve) => {
    end = () => resolve('cancelled');
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
  try {
    for (;;) {
      const next = await Promise.race([source.next(), cancelled]);
      if (next === 'cancelled') {
        yield { cancelled: true };
        return;
      }
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/**
 * An event of the model server as clients get it; null for one that we have sent ourselves, and for none.
 */
function ownEvent(stored: StoredTask, value: unknown): NamedEvent | null {
  if (!isJsonObject(value) || typeof value.type !== 'string') return null;
  const { type, response } = value;
  if (type === 'response.created' || type === 'response.queued') return null;
  if (!isJsonObject(response)) return { ...value, type };
  const { id, background, created_at, metadata, store } = responseObject(stored, { status: 'queued' });
  return { ...value, type, response: { ...response, id, background, created_at, metadata, store } };
}

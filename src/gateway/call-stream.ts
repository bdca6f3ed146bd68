import { judgeRequest } from '../agent/requests/judge-request.js';
import type { Answer } from '../protocol/answer.js';
import { isJsonObject } from '../protocol/json-object.js';
import { isRequestPath, type TaskRequest } from '../protocol/request.js';
import { type ApiError, errorEvent, errorOfAnswer } from './api-errors.js';
import { apiFormOf } from './api-form.js';
import type { GivenCall } from './given-call.js';
import type { CallEvent, LiveCall } from './live-call.js';
import { madeEvents } from './made-events.js';
import { dataIn, isNdjson, polishEvent } from './polish.js';
import { ResponsePlaces } from './response-places.js';
import { brokeOff, clientLeft, noResponse, startedAgain, stillWaiting } from './task-errors.js';
import { answerHeaders, giveWhole } from './whole-answer.js';

/**
 * Proxies end a connection that is silent for 60 s (nginx, and others). A comment is no event, so no client
 * sees it. Milliseconds.
 */
const COMMENT_MS = 15_000;

/** The answer to a call as a stream of events, or of lines of JSON. */
export class StreamOfCall {
  readonly #live: LiveCall;
  readonly #call: GivenCall;
  readonly #events: AsyncIterator<CallEvent>;
  readonly #isNdjson: boolean;
  readonly #encoder = new TextEncoder();
  #next: Promise<IteratorResult<CallEvent>>;
  readonly #places = new ResponsePlaces();
  #hasSaid = false;
  #lastEvent = '';

  constructor(live: LiveCall, call: GivenCall, events: AsyncIterator<CallEvent>) {
    this.#live = live;
    this.#call = call;
    this.#events = events;
    this.#isNdjson = isNdjson(call.path);
    this.#next = events.next();
  }

  /**
   * Waits for what the stream begins with: an event, the whole answer, or a comment. Throws ApiError where
   * it ends before that.
   */
  async start(): Promise<Response> {
    const { task } = this.#live;
    const first = await this.#take();
    if (first !== 'silence' && first.done) throw clientLeft();
    const begun = first === 'silence' ? null : first.value;
    if (begun !== null && 'unanswered' in begun) throw stillWaiting(task);
    const answer = begun !== null && 'answer' in begun ? begun.answer : null;
    // Nothing was sent yet, so the status can still say how it went.
    if (answer !== null && (answer.error !== null || answer.response === undefined))
      return giveWhole(this.#live, this.#call, answer);
    const body = new ReadableStream<Uint8Array>({
      start: (out) => {
        if (begun === null) out.enqueue(this.#encoder.encode(WAITING));
        else this.#say(out, begun);
      },
      pull: async (out) => {
        // A pull that brings nothing is not followed by another one.
        for (let hasSaid = false; !hasSaid; ) {
          const next = await this.#take();
          hasSaid = true;
          if (next === 'silence') out.enqueue(this.#encoder.encode(WAITING));
          else if (next.done) out.close();
          else hasSaid = this.#say(out, next.value);
        }
      },
      cancel: () => this.#live.leave(),
    });
    const headers = answerHeaders(
      task,
      answer?.dropped ?? (answer === null ? expectedDropped(this.#call) : []),
    );
    headers.set('content-type', this.#isNdjson ? 'application/x-ndjson' : 'text/event-stream; charset=utf-8');
    headers.set('cache-control', 'no-cache, no-transform');
    // nginx would hold it back until it is whole.
    headers.set('x-accel-buffering', 'no');
    return new Response(body, { headers });
  }

  /** The next that comes; `silence` where nothing does for a while. Lines of JSON have no comments. */
  async #take(): Promise<IteratorResult<CallEvent> | 'silence'> {
    if (this.#isNdjson) return await this.#advance(this.#next);
    const { commentMs = COMMENT_MS } = this.#call;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<'silence'>((resolve) => {
      timer = setTimeout(() => resolve('silence'), commentMs);
    });
    const next = await Promise.race([this.#next, silence]);
    clearTimeout(timer);
    return next === 'silence' ? next : this.#advance(next);
  }

  async #advance(
    taken: IteratorResult<CallEvent> | Promise<IteratorResult<CallEvent>>,
  ): Promise<IteratorResult<CallEvent>> {
    const next = await taken;
    if (next.done !== true && !('answer' in next.value) && !('unanswered' in next.value))
      this.#next = this.#events.next();
    else this.#next = Promise.resolve({ done: true, value: undefined });
    return next;
  }

  /** Whether anything went out. */
  #say(out: Out, what: CallEvent): boolean {
    if ('event' in what) return this.#write(out, what.event);
    // Where nothing of the first generation went out, the second one is the first.
    if ('restart' in what && !this.#hasSaid) return false;
    const error = this.#errorIn(what);
    if (error !== null) this.#writeError(out, error, what);
    else if ('answer' in what) this.#finish(out, what.answer);
    return true;
  }

  /** Why the stream ends before its own end; null where it does not. */
  #errorIn(what: Exclude<CallEvent, { event: string }>): ApiError | null {
    const { task } = this.#live;
    if ('restart' in what) return startedAgain(task);
    if ('unanswered' in what) return stillWaiting(task);
    const { answer, isWhole } = what;
    if (answer.error !== null) return errorOfAnswer(answer);
    if (answer.response === undefined) return noResponse(task);
    return this.#hasSaid && !isWhole ? brokeOff(task) : null;
  }

  #finish(out: Out, answer: Answer): void {
    if (!this.#hasSaid) for (const event of this.#made(answer)) this.#write(out, event);
    const { path } = this.#call;
    const endsWithDone = path === '/v1/chat/completions' || path === '/v1/completions';
    if (endsWithDone && !this.#lastEvent.includes('[DONE]')) this.#write(out, 'data: [DONE]');
    this.#live.leave({ delivered: true });
    out.close();
  }

  #made(answer: Answer): string[] {
    const { path } = this.#call;
    const body = answer.response?.body;
    return isRequestPath(path) && isJsonObject(body) ? madeEvents(path, body) : [];
  }

  #write(out: Out, event: string): boolean {
    const { path } = this.#call;
    const isOfResponse = path === '/v1/responses';
    const polished = polishEvent(
      this.#call,
      this.#live.task,
      isOfResponse ? this.#places.fillEvent(event) : event,
    );
    if (polished === null) return false;
    this.#hasSaid = true;
    this.#lastEvent = polished;
    out.enqueue(this.#encoder.encode(`${polished}${this.#isNdjson ? '\n' : '\n\n'}`));
    return true;
  }

  #writeError(out: Out, error: ApiError, what: CallEvent): void {
    const { path } = this.#call;
    const own = ownError(what, path);
    const text =
      own === null
        ? errorEvent(apiFormOf({ path }), path, error, sequenceIn(this.#lastEvent) + 1)
        : `${this.#isNdjson ? '' : 'data: '}${JSON.stringify(own)}${this.#isNdjson ? '\n' : '\n\n'}`;
    out.enqueue(this.#encoder.encode(text));
    // An error answer counts as delivered. A stream that broke off is found again by the same call.
    this.#live.leave({ delivered: 'answer' in what && what.answer.error !== null });
    out.close();
  }
}

type Out = ReadableStreamDefaultController<Uint8Array>;

/** The model server's own refusal, which says more than we could; null where it does not fit this stream. */
function ownError(what: CallEvent, path: string): object | null {
  if (!('answer' in what) || what.answer.error === null) return null;
  const body = what.answer.response?.body;
  const isPlain = path !== '/v1/responses' && path !== '/v1/messages';
  return isPlain && isJsonObject(body) && 'error' in body ? body : null;
}

const WAITING = ': waiting for the model\n\n';

function sequenceIn(event: string): number {
  const value = dataIn(event);
  return isJsonObject(value) && typeof value.sequence_number === 'number' ? value.sequence_number : -1;
}

/** The fields that an agent will leave out. A stream begins before the answer names them. */
function expectedDropped({ path, body }: TaskRequest): readonly string[] {
  const judged = judgeRequest({ path, body }, { maxContext: Number.MAX_SAFE_INTEGER, passFields: [] });
  return 'refused' in judged ? [] : judged.dropped;
}

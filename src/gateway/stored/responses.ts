import { ApiError } from '../api-errors.js';
import { draftCancel } from '../call-drafts.js';
import type { Calls } from '../calls.js';
import type { GatewayCall } from '../gateway-parts.js';
import { readListQuery } from '../list-page.js';
import { privateJson } from '../private-json.js';
import { eventResponse } from './event-response.js';
import { responseEvents } from './response-events.js';
import {
  ITEM_BOUNDS,
  inputItems,
  isBackground,
  type ResponseState,
  responseObject,
} from './response-object.js';
import type { StoredCall } from './stored-call.js';
import { type StoredTask, StoredTasks } from './stored-tasks.js';

const PATH = '/v1/responses';

/** A claim does not ring the doorbell, so claims are looked at, no more often than this. Milliseconds. */
const WHO_AGE_MS = 1_000;

/**
 * Reads a call of `/v1/responses`; any other stays as it is. `isBackground`: it is to go on without its
 * client, and is answered by `Responses.begun`. `asked`: the call without the gateway's own fields. Throws
 * ApiError 400 for fields that do not go together, or are of the wrong type.
 */
export function readResponseCall(call: GatewayCall): {
  readonly isBackground: boolean;
  readonly asked: GatewayCall;
} {
  if (call.path !== PATH) return { isBackground: false, asked: call };
  const { background = null, store = null, ...body } = call.body;
  for (const [param, value] of Object.entries({ background, store }))
    if (value !== null && typeof value !== 'boolean')
      throw new ApiError(`${param} must be true or false`, { status: 400, param });
  const metadata = { ...call.metadata, ...(store === false ? { store: 'false' } : {}) };
  if (background !== true) return { isBackground: false, asked: { ...call, body, metadata } };
  if (store === false)
    throw new ApiError('background does not go with store: false, as the answer is fetched by its id', {
      ...{ status: 400, param: 'store', code: 'invalid_value' },
    });
  return {
    isBackground: true,
    asked: { ...call, body, metadata: { ...metadata, background: 'true' }, wantsStream: true },
  };
}

/** The responses of a gateway that outlive their call: all of them are tasks of the record. */
export class Responses {
  readonly #calls: Calls;
  readonly #stored: StoredTasks;
  /** The streams that are read now; each ends when its response is cancelled here. */
  readonly #streams = new Set<{ readonly task: string; readonly cancelled: AbortController }>();

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#stored = new StoredTasks(calls.view);
  }

  /**
   * Gives a response whose task was just asked in the background: as it is now, or as the stream of its
   * events.
   */
  async begun(task: string, wantsStream: boolean): Promise<Response> {
    const stored = await this.#stored.find(task);
    if (stored === null) throw new Error(`the task ${task} is not where it was just put`);
    if (wantsStream) return await this.#stream(stored, -1);
    return give(stored, await this.#stateOf(stored));
  }

  /** Whether a response is one of this bridge, as far as it is known here without a fetch. */
  async holds(id: string): Promise<boolean> {
    const task = taskIn(id);
    return task !== undefined && (await this.#stored.isHere(task));
  }

  /** Answers a call below `/v1/responses/`. Throws ApiError 404 for what is not there or another token's. */
  async answer({ method, path, query, token }: StoredCall): Promise<Response> {
    const [id = '', rest = ''] = path.slice(PATH.length + 1).split('/');
    const stored = await this.#find(id, token);
    if (rest === 'input_items') return privateJson(inputItems(stored, readListQuery(query, ITEM_BOUNDS)));
    if (rest === 'cancel') return await this.#cancel(stored);
    if (method === 'DELETE')
      throw new ApiError('the record of a bridge is its history, and nothing of it is deleted', {
        ...{ status: 501, code: 'not_implemented' },
      });
    if (query.get('stream') !== 'true') return give(stored, await this.#stateOf(stored));
    const after = query.get('starting_after') ?? '-1';
    if (!/^(?:-1|\d{1,9})$/.test(after))
      throw new ApiError('starting_after is the number of an event', {
        status: 400,
        param: 'starting_after',
      });
    return await this.#stream(stored, Number(after));
  }

  /** Another token's response looks like none: nobody learns which ids there are. */
  async #find(id: string, token: string | null): Promise<StoredTask> {
    const task = taskIn(id);
    const stored = task === undefined ? null : await this.#stored.find(task);
    const isTheirs = stored !== null && stored.path === PATH && (stored.metadata.token ?? null) === token;
    if (isTheirs && stored.metadata.store !== 'false') return stored;
    throw new ApiError(`Response with id '${id.slice(0, 80)}' not found.`, { status: 404, param: 'id' });
  }

  async #stateOf(stored: StoredTask): Promise<ResponseState> {
    const state = await this.#stored.state(stored);
    if (state.status === 'answered') return { status: 'answered', answer: state.found.answer };
    if (state.status !== 'open') return { status: state.status };
    const { running } = await this.#calls.who(WHO_AGE_MS);
    return { status: running.has(stored.task) ? 'in_progress' : 'queued' };
  }

  async #stream(stored: StoredTask, startingAfter: number): Promise<Response> {
    const { task } = stored;
    const live = await this.#calls.watch(task);
    const stream = { task, cancelled: new AbortController() };
    this.#streams.add(stream);
    const { status } = await this.#stored.state(stored);
    if (status === 'cancelled' || status === 'expired') stream.cancelled.abort();
    const events = responseEvents(stored, live.events, { startingAfter, cancelled: stream.cancelled.signal });
    const leave = () => {
      this.#streams.delete(stream);
      live.leave();
    };
    return eventResponse(events, { task, leave });
  }

  /** Cancels a response. One that is cancelled already, or is over, stays as it is. */
  async #cancel(stored: StoredTask): Promise<Response> {
    if (!isBackground(stored))
      throw new ApiError('only a response with background: true can be cancelled', { status: 400 });
    const { status } = await this.#stored.state(stored);
    if (status === 'open') {
      const message = draftCancel(stored.task, this.#calls.view, 'its client cancelled it');
      try {
        await this.#calls.submit({ ...message, isWanted: () => true });
      } catch (error) {
        // Its answer, or another cancel, came first.
        if ((await this.#stored.state(stored)).status === 'open') throw error;
      }
      for (const { task, cancelled } of this.#streams) if (task === stored.task) cancelled.abort();
    }
    return give(stored, await this.#stateOf(stored));
  }
}

/** The task of a response; undefined for what is no id of one. */
function taskIn(id: string): string | undefined {
  return /^resp_([0-9a-f]{40}|[0-9a-f]{64})$/.exec(id)?.[1];
}

function give(stored: StoredTask, state: ResponseState): Response {
  return privateJson(responseObject(stored, state), { headers: { 'x-llm-bridge-task': stored.task } });
}

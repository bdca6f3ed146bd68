import { inTime } from '../process/in-time.js';
import { modelOfRequest } from '../protocol/request.js';
import { ApiError } from './api-errors.js';
import type { AskedCall } from './asked-call.js';
import { keyOf } from './call-content.js';
import { bridgesInTurn, type Candidate, placedFor } from './choose-bridge.js';
import type { GatewayCall } from './gateway-parts.js';
import type { ServedBridge } from './served-bridge.js';
import type { ServedBridges } from './served-bridges.js';
import { modelNotFound, notAllThere } from './task-errors.js';

/** A bridge that does not say within this time who is there is judged by what it said last. Milliseconds. */
const WHO_MS = 2_000;

/**
 * A bridge has a call on main within tenths of a second. After this time another one is asked. Milliseconds.
 */
const MOVE_ON_MS = 10_000;

/** Where nobody seems to have the model, what was read of a bridge may be no older. Milliseconds. */
const WHO_AGAIN_MS = 1_000;

/** The work for a call, on the bridge that was chosen for it. */
export interface CallWork<T> {
  readonly ask: (bridge: ServedBridge, asked: AskedCall) => Promise<T>;
  /** Undoes what came too late, after another bridge was asked. */
  readonly undo?: (done: T) => void;
}

/** Where a call went, and what came of it. */
export interface Placed<T> {
  readonly bridge: ServedBridge;
  readonly done: T;
}

interface Chosen extends Candidate {
  readonly bridge: ServedBridge;
}

/**
 * Spreads calls over the bridges of a gateway. A call that is known on one of them goes there; any other by
 * its model, then to where there is least to do. A bridge that does not take it (unreachable, full, the task
 * too large for it) passes it on to the next.
 */
export class CallSpreader {
  readonly #bridges: ServedBridges;
  readonly #moveOnMs: number;
  /** How many calls are on their way to each bridge; they are not among its tasks yet. */
  readonly #coming = new Map<ServedBridge, number>();
  /** The bridge of each call with an `Idempotency-Key` that is being placed. */
  readonly #byKey = new Map<string, Promise<ServedBridge>>();

  constructor(bridges: ServedBridges, { moveOnMs = MOVE_ON_MS }: { readonly moveOnMs?: number } = {}) {
    this.#bridges = bridges;
    this.#moveOnMs = moveOnMs;
  }

  /**
   * Does this work on a bridge. Throws what the work throws, ApiError 404 where all bridges can be read and
   * none has the model, and 503 where one cannot be read.
   */
  async place<T>(call: GatewayCall, work: CallWork<T>): Promise<Placed<T>> {
    const asked: AskedCall = { ...call, signal: call.left };
    const only = this.#bridges.only;
    if (only !== null) return { bridge: only, done: await work.ask(only, asked) };
    const key = keyOf(asked);
    const before = key === null ? undefined : this.#byKey.get(key);
    if (before !== undefined) {
      const bridge = await before;
      return { bridge, done: await work.ask(bridge, asked) };
    }
    const placing = this.#place(asked, work);
    if (key !== null) {
      const chosen = placing.then(({ bridge }) => bridge);
      chosen.catch(() => {});
      this.#byKey.set(key, chosen);
    }
    try {
      return await placing;
    } finally {
      if (key !== null) this.#byKey.delete(key);
    }
  }

  async #place<T>(asked: AskedCall, work: CallWork<T>): Promise<Placed<T>> {
    for (const bridge of this.#bridges.open())
      if (await bridge.calls.knows(asked)) return { bridge, done: await work.ask(bridge, asked) };
    const candidates = await this.#counted(await this.#look(modelOfRequest(asked)));
    const bridges = this.#inTurn(candidates);
    let refusal: unknown = null;
    for (const [at, bridge] of bridges.entries()) {
      this.#count(bridge, 1);
      try {
        const isLast = at === bridges.length - 1;
        return { bridge, done: await (isLast ? work.ask(bridge, asked) : this.#inTime(bridge, asked, work)) };
      } catch (error) {
        if (!isPassedOn(error)) throw error;
        refusal ??= error;
      } finally {
        this.#count(bridge, -1);
      }
    }
    throw refusal;
  }

  /** The bridges for a call that names this model, the best first. Throws as `place` does. */
  async bridgesFor(model: string | undefined): Promise<ServedBridge[]> {
    return this.#inTurn(await this.#look(model));
  }

  /** Counts once more: while one bridge was looked at, other calls may have come to another. */
  #counted(candidates: readonly Chosen[]): Promise<Chosen[]> {
    return Promise.all(
      candidates.map(async (one) => {
        const open = await inTime(one.bridge.calls.openTasks(), WHO_MS).catch(() => null);
        return { ...one, openTasks: open?.value ?? one.openTasks };
      }),
    );
  }

  /** Without an await: calls that come together see each other. */
  #inTurn(candidates: readonly Chosen[]): ServedBridge[] {
    const now = candidates.map((one) => ({
      ...one,
      openTasks: one.openTasks + (this.#coming.get(one.bridge) ?? 0),
    }));
    return bridgesInTurn(now).map(({ bridge }) => bridge);
  }

  async #look(model: string | undefined): Promise<Chosen[]> {
    const open = this.#bridges.open();
    const first = await this.#candidates(open, model);
    if (bridgesInTurn(first).length > 0) return first;
    const again = await this.#candidates(open, model, WHO_AGAIN_MS);
    if (bridgesInTurn(again).length > 0) return again;
    const missing = this.#bridges.missing();
    if (missing.length > 0 || model === undefined) throw notAllThere(missing);
    throw modelNotFound(model);
  }

  #candidates(
    bridges: readonly ServedBridge[],
    model: string | undefined,
    maxAgeMs?: number,
  ): Promise<Chosen[]> {
    return Promise.all(
      bridges.map(async (bridge) => {
        const { calls } = bridge;
        const { serverNow, claimLeaseMs } = calls.view.terms;
        const said = await inTime(calls.who(maxAgeMs), WHO_MS).catch(() => null);
        const who = said?.value ?? calls.lastWho();
        const about = { nowMs: serverNow(), takesClaims: claimLeaseMs !== null };
        const placed =
          who === null ? ({ availability: 'unknown', places: 0 } as const) : placedFor(model, who, about);
        const open = await inTime(calls.openTasks(), WHO_MS).catch(() => null);
        const openTasks = open?.value ?? 0;
        return { bridge, ...placed, openTasks, isAiling: said === null || calls.isAiling() };
      }),
    );
  }

  /** Does the work. Throws ApiError 503 where that takes too long, and undoes what comes later. */
  async #inTime<T>(bridge: ServedBridge, asked: AskedCall, { ask, undo }: CallWork<T>): Promise<T> {
    const moved = new AbortController();
    const signal = asked.signal === undefined ? moved.signal : AbortSignal.any([asked.signal, moved.signal]);
    const asking = ask(bridge, { ...asked, signal });
    const done = await inTime(asking, this.#moveOnMs);
    if (done !== null) return done.value;
    moved.abort(new Error('another bridge is asked'));
    asking.then(undo, () => {});
    throw new ApiError('the bridge does not take the call in time', {
      ...{ status: 503, code: 'not_asked', retryAfterS: 1 },
    });
  }

  #count(bridge: ServedBridge, by: 1 | -1): void {
    this.#coming.set(bridge, (this.#coming.get(bridge) ?? 0) + by);
  }
}

/** Whether an error says that the task is not on main of this bridge, so that another one may take it. */
function isPassedOn(error: unknown): boolean {
  return error instanceof ApiError && error.task === null && [413, 429, 502, 503].includes(error.status);
}

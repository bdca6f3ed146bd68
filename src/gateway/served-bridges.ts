import { setTimeout as sleep } from 'node:timers/promises';
import { outlast } from '../agent/outlast.js';
import { findTask } from '../asker/find-task.js';
import { inTime } from '../process/in-time.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { ApiError } from './api-errors.js';
import type { PageOfBridge } from './page-data.js';
import type { BridgeToServe, ServedBridge } from './served-bridge.js';
import { notAllThere } from './task-errors.js';

/**
 * Once one of several bridges is open, the others get this time before calls are taken. Milliseconds.
 */
const GRACE_MS = 10_000;

/** The wait before a bridge that a person has to mend is opened again; it doubles. Milliseconds. */
const FIRST_AGAIN_MS = 60_000;
const LAST_AGAIN_MS = 15 * 60_000;

/** A bridge that takes longer than this to say whether it can be written counts as not. Milliseconds. */
const HEALTH_MS = 8_000;

/** Opens a bridge for the gateway. */
export type OpenBridge = (
  bridge: BridgeToServe,
  how: { readonly onProblem: (error: unknown) => void; readonly signal: AbortSignal },
) => Promise<ServedBridge>;

interface Slot {
  readonly bridge: BridgeToServe;
  open: ServedBridge | null;
}

/**
 * The bridges of a gateway. One that cannot be opened holds up no other: that is reported, and it is tried
 * again until it works.
 */
export class ServedBridges {
  readonly #slots: readonly Slot[];
  readonly #openOne: OpenBridge;
  readonly #onProblem: (error: unknown, bridge: string | null) => void;
  readonly #closing = new AbortController();
  #opening: Promise<unknown> = Promise.resolve();

  private constructor(
    bridges: readonly BridgeToServe[],
    openOne: OpenBridge,
    onProblem: (error: unknown, bridge: string | null) => void,
  ) {
    this.#slots = bridges.map((bridge) => ({ bridge, open: null }));
    this.#openOne = openOne;
    this.#onProblem = onProblem;
  }

  /**
   * Opens them. Resolves once all were tried, or one is open and the others were waited for. `onProblem` is
   * told of those that are tried again. Throws what the first one threw where none can be opened.
   */
  static async open(
    bridges: readonly BridgeToServe[],
    openOne: OpenBridge,
    onProblem: (error: unknown, bridge: string | null) => void,
  ): Promise<ServedBridges> {
    const all = new ServedBridges(bridges, openOne, onProblem);
    await all.#openFirst();
    return all;
  }

  /** The bridge of a gateway that has one; null where it has several. */
  get only(): ServedBridge | null {
    return this.#slots.length === 1 ? (this.#slots[0]?.open ?? null) : null;
  }

  /** Those that are open, in the order in which they were named. */
  open(): ServedBridge[] {
    return this.#slots.flatMap(({ open }) => open ?? []);
  }

  /** All, as the page reads them. */
  all(): PageOfBridge[] {
    return this.#slots.map(({ bridge, open }) => ({ name: bridge.name, page: open?.page ?? null }));
  }

  /**
   * The one that has a task; where there is only one, that one. Throws ApiError 404 where none has it, 503
   * where none has it and not all can be read.
   */
  async ofTask(task: string): Promise<ServedBridge> {
    if (this.only !== null) return this.only;
    for (const bridge of this.open())
      if ((await findTask(bridge.calls.view, task).catch(() => null)) !== null) return bridge;
    throw this.notFound(`there is no such task here`);
  }

  /** The error for an id that is on none of those that can be read. */
  notFound(message: string): ApiError {
    const missing = this.#slots.length === 1 ? [] : this.missing();
    return missing.length > 0 ? notAllThere(missing) : new ApiError(message, { status: 404, param: 'id' });
  }

  /** The names of those that cannot be read: not open yet, or away at the moment. */
  missing(): string[] {
    return this.#slots.flatMap(({ bridge, open }) =>
      open === null || open.calls.isAiling() ? [bridge.name ?? ''] : [],
    );
  }

  /**
   * Whether one can be written. `reason`: why none can; null where one can. `notReady`: where there are
   * several, the names of those that cannot be written, and why.
   */
  async health(): Promise<{
    readonly reason: string | null;
    readonly notReady: Readonly<Record<string, string>>;
  }> {
    const looks = await Promise.all(
      this.#slots.map(async ({ bridge, open }) => ({ name: bridge.name, reason: await healthOf(open) })),
    );
    const notReady = looks.flatMap(({ name, reason }) =>
      name === null || reason === null ? [] : [[name, reason] as const],
    );
    const isReady = looks.some(({ reason }) => reason === null);
    const [first] = looks;
    const reason = looks.length === 1 ? (first?.reason ?? null) : 'no bridge can be written';
    return { reason: isReady ? null : reason, notReady: Object.fromEntries(notReady) };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#opening.catch(() => {});
    await Promise.all(this.open().map((bridge) => bridge.close()));
  }

  async #openFirst(): Promise<void> {
    const failures = new Map<Slot, unknown>();
    const tries = this.#slots.map((slot) =>
      this.#open(slot).catch((error) => void failures.set(slot, error)),
    );
    const anyOpen = Promise.any(
      tries.map(async (one, at) => {
        await one;
        if (this.#slots[at]?.open === null) throw new Error('not open');
      }),
    ).catch(() => {});
    await Promise.race([Promise.all(tries), anyOpen.then(() => sleep(GRACE_MS, undefined, { ref: false }))]);
    if (failures.size === this.#slots.length) throw [...failures.values()][0];
    this.#opening = Promise.all(
      this.#slots.map(async (slot, at) => {
        await tries[at];
        if (slot.open === null) await this.#keepTrying(slot, failures.get(slot));
      }),
    );
    this.#opening.catch(() => {});
  }

  async #open(slot: Slot): Promise<void> {
    const { bridge } = slot;
    const { signal } = this.#closing;
    const open = await this.#openOne(bridge, {
      ...{ signal, onProblem: (error) => this.#onProblem(error, bridge.name) },
    });
    if (signal.aborted) await open.close();
    else slot.open = open;
  }

  async #keepTrying(slot: Slot, firstError: unknown): Promise<void> {
    const { signal } = this.#closing;
    const name = slot.bridge.name;
    const log = () => {};
    let error = firstError;
    for (let againMs = FIRST_AGAIN_MS; !signal.aborted; againMs = Math.min(againMs * 2, LAST_AGAIN_MS)) {
      const passes = error instanceof BridgeError && error.retryable;
      const when = passes ? 'until it works' : `in ${formatDuration(againMs)}`;
      const remedy = error instanceof BridgeError ? `; try: ${error.remedy}` : '';
      const others = `the other bridges go on, this one is tried again ${when}`;
      this.#onProblem(new Error(`${errorText(error)}${remedy}; ${others}`), name);
      if (!passes) await sleep(againMs, undefined, { signal }).catch(() => {});
      try {
        await outlast(() => this.#open(slot), { log, signal, once: false });
        if (!signal.aborted) this.#onProblem(new Error('it is served now, too'), name);
        return;
      } catch (failed) {
        error = failed;
      }
    }
  }
}

/** Why a bridge cannot be written; null where it can. */
async function healthOf(open: ServedBridge | null): Promise<string | null> {
  if (open === null) return 'the bridge cannot be opened';
  const said = await inTime(open.health(), HEALTH_MS);
  return said === null ? 'the server does not answer' : said.value;
}

import { MAX_TIMER_MS } from '../protocol/duration.js';
import type { AskedCall } from './asked-call.js';
import { Call, type CallKeeper } from './call.js';
import { contentOf, keyOf } from './call-content.js';
import { keyReused } from './task-errors.js';

/** The calls that are open, or whose answer may still be asked for; found by task, by content and by key. */
export class KeptCalls {
  readonly #keeper: CallKeeper;
  readonly #all = new Set<Call>();
  readonly #byTask = new Map<string, Call>();
  /** Those that the same question may find again. */
  readonly #byContent = new Map<string, Set<Call>>();
  readonly #byKey = new Map<string, Call>();

  constructor(keeper: CallKeeper) {
    this.#keeper = keeper;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Call> {
    return this.#all.values();
  }

  /** Begins to keep a call, whose task is not on main yet. */
  add(asked: Pick<AskedCall, 'path' | 'body' | 'token' | 'idempotencyKey'>): Call {
    const content = contentOf(asked);
    const key = keyOf(asked);
    const call = new Call(this.#keeper, content, key);
    this.#all.add(call);
    this.#byContent.set(content, (this.#byContent.get(content) ?? new Set()).add(call));
    if (key !== null) this.#byKey.set(key, call);
    return call;
  }

  /**
   * Begins to keep one for whoever watches a task that is on main: no question finds it, and it ends alone.
   */
  watch(task: string, ended: (call: Call) => void): Call {
    const keeper = { ...this.#keeper, waitMs: MAX_TIMER_MS, abandoned: ended };
    const call = new Call(keeper, `watch ${task}`, null);
    this.#all.add(call);
    return call;
  }

  /** The task of a call is on main. */
  onMain(call: Call, task: string): void {
    this.#byTask.set(task, call);
    call.asked(task);
  }

  ofTask(task: string): Call | undefined {
    return this.#byTask.get(task);
  }

  /**
   * The call that this one joins: with its key, or one that nobody listens to. Null where it asks a new one.
   * Throws ApiError 422 for the key of another call.
   */
  find(asked: AskedCall): Call | null {
    const content = contentOf(asked);
    const key = keyOf(asked);
    const named = key === null ? undefined : this.#byKey.get(key);
    if (named !== undefined && named.content !== content) throw keyReused();
    if (named !== undefined) return named;
    const same = this.#byContent.get(content) ?? [];
    return [...same].find((call) => call.isOrphan) ?? null;
  }

  forget(call: Call): void {
    this.#all.delete(call);
    if (call.task !== null) this.#byTask.delete(call.task);
    const same = this.#byContent.get(call.content);
    same?.delete(call);
    if (same?.size === 0) this.#byContent.delete(call.content);
    if (call.key !== null && this.#byKey.get(call.key) === call) this.#byKey.delete(call.key);
  }
}

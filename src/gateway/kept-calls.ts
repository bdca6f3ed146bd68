import { type FoundAnswer, findAnswer, readFoundAnswer } from '../asker/find-answer.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { ObjectReader } from '../git/object-reader.js';
import { TaskRecords } from '../log/task-records.js';
import { MAX_TIMER_MS } from '../protocol/duration.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import type { AskedCall } from './asked-call.js';
import { Call, type CallKeeper } from './call.js';
import { type CallIdentity, contentOf, keyOf } from './call-content.js';
import { HeardRates } from './heard-rates.js';
import type { LiveCall } from './live-call.js';
import { keyReused, tooManyOpen } from './task-errors.js';
import { openTaskStreams, type TaskStreams } from './task-streams.js';

/** How long calls are kept, and what becomes of a task that is open and has no client any more. */
export interface KeepRules extends Pick<CallKeeper, 'waitMs' | 'lingerMs'> {
  /** The most calls that are kept at a time. */
  readonly maxCalls: number;
  readonly cancel: (task: string) => void;
}

/**
 * The calls that are open, or whose answer may still be asked for; found by task, by content and by key.
 * Each hears what becomes of its task: that it is on main, its stream, its answer.
 */
export class KeptCalls {
  readonly #view: BridgeView;
  readonly #keeper: CallKeeper;
  readonly #maxCalls: number;
  readonly #cancel: (task: string) => void;
  readonly #streams: TaskStreams;
  readonly #rates: HeardRates;
  readonly #all = new Set<Call>();
  readonly #byTask = new Map<string, Call>();
  /** Those that the same call may find again. */
  readonly #byContent = new Map<string, Set<Call>>();
  readonly #byKey = new Map<string, Call>();

  constructor(view: BridgeView, { waitMs, lingerMs, maxCalls, cancel }: KeepRules) {
    this.#view = view;
    this.#maxCalls = maxCalls;
    this.#cancel = cancel;
    this.#streams = openTaskStreams(view.connection, (task, piece) => {
      this.#rates.take(task, piece);
      this.#heard(task)?.take(piece);
    });
    this.#rates = new HeardRates(this.#streams);
    const abandoned = (call: Call) => {
      this.forget(call);
      if (call.task !== null && !call.isAnswered) cancel(call.task);
    };
    this.#keeper = { waitMs, lingerMs, abandoned };
  }

  get size(): number {
    return this.#all.size;
  }

  /** Throws ApiError 429 where as many are kept as may be. */
  requireRoom(): void {
    if (this.size >= this.#maxCalls) throw tooManyOpen(this.size);
  }

  /** How many clients wait. */
  get clients(): number {
    return [...this.#all].reduce((sum, call) => sum + call.listenerCount, 0);
  }

  /** Begins to keep a call, whose task is not on main yet. */
  add(asked: CallIdentity & Pick<AskedCall, 'idempotencyKey'>): Call {
    const content = contentOf(asked);
    const key = keyOf(asked);
    const call = new Call(this.#keeper, content, key);
    this.#all.add(call);
    this.#byContent.set(content, (this.#byContent.get(content) ?? new Set()).add(call));
    if (key !== null) this.#byKey.set(key, call);
    return call;
  }

  /**
   * Begins to keep a call for a client that watches a task that is on main, and joins it. No other call
   * finds it, and its end cancels nothing. Throws what reading the bridge throws.
   */
  async watch(task: string): Promise<LiveCall> {
    const abandoned = (ended: Call) => this.forget(ended);
    const call = new Call({ ...this.#keeper, waitMs: MAX_TIMER_MS, abandoned }, `watch ${task}`, null);
    this.#all.add(call);
    this.onMain(call, task, this.#view.terms.hasStreams);
    const live = await call.join(true);
    try {
      await this.lookUp(task);
      return live;
    } catch (error) {
      live.leave();
      throw error;
    }
  }

  /**
   * The task of a call is on its way to main. Its stream may begin before we know that it arrived.
   * `isStreamed`: its stream is worth listening to.
   */
  expect(call: Call, task: string, isStreamed: boolean): void {
    if (call.expected === task || !this.#all.has(call)) return;
    this.#dropTask(call);
    this.#byTask.set(task, call);
    call.expects(task);
    // Where it is followed for its rate, that is past its beginning: it is left, and followed from there.
    this.#rates.release(task);
    if (isStreamed) this.#streams.follow(task);
  }

  /** The task of a call is on main. */
  onMain(call: Call, task: string, isStreamed: boolean): void {
    // Its stream or its answer was heard before.
    if (call.task !== null) return;
    if (this.#all.has(call)) {
      this.expect(call, task, isStreamed);
      call.asked(task);
      // Its last client left while it was on its way.
    } else this.#cancel(task);
  }

  ofTask(task: string): Call | undefined {
    return this.#byTask.get(task);
  }

  /**
   * The call that this one joins: the one with its key, or the same one that nobody listens to. Null where
   * there is none. Throws ApiError 422 for the key of another call.
   */
  find(asked: AskedCall): Call | null {
    const content = contentOf(asked);
    const key = keyOf(asked);
    const named = key === null ? undefined : this.#byKey.get(key);
    if (named !== undefined && named.content !== content) throw keyReused();
    if (named !== undefined) return named;
    return [...(this.#byContent.get(content) ?? [])].find((call) => call.isOrphan) ?? null;
  }

  /** A task is answered. */
  answered(task: string, found: FoundAnswer): void {
    this.#streams.ending(task);
    this.#heard(task)?.answered(found);
  }

  /** Looks for the answer to a task in the record. Throws what reading the bridge throws. */
  async lookUp(task: string): Promise<void> {
    const found = await findAnswer(this.#view, task);
    if (found !== null) this.answered(task, found);
  }

  /** Takes answers and cancels out of commits new on main. Throws what reading the bridge throws. */
  async takeCommits(commits: readonly HistoryCommit[], reader: ObjectReader): Promise<void> {
    const records = new TaskRecords(this.#view.repo, reader);
    for (const commit of commits) {
      const { taskTrailer: task } = commit;
      const { kind } = messageOf(commit);
      if (kind === 'cancel') this.ofTask(task)?.cancelled();
      if (!this.#byTask.has(task) || kind !== 'answer') continue;
      const found = await readFoundAnswer(this.#view, { reader, records }, commit);
      if (found !== null) this.answered(task, found);
    }
  }

  /** About how many tokens a second are generated of those of these tasks that say it. */
  rates(running: readonly string[]): ReadonlyMap<string, number> {
    if (!this.#view.terms.hasStreams) return new Map();
    return this.#rates.of(running, (task) => this.#byTask.has(task));
  }

  /** Ends all that waits. The tasks stay as they are. */
  async close(): Promise<void> {
    for (const call of this.#all) call.close();
    this.#rates.close();
    await this.#streams.close();
  }

  forget(call: Call): void {
    this.#all.delete(call);
    this.#dropTask(call);
    const same = this.#byContent.get(call.content);
    same?.delete(call);
    if (same?.size === 0) this.#byContent.delete(call.content);
    if (call.key !== null && this.#byKey.get(call.key) === call) this.#byKey.delete(call.key);
  }

  /** Something is known of a task, so it is on main: before that nobody else knows its id. */
  #heard(task: string): Call | undefined {
    const call = this.#byTask.get(task);
    if (call?.task === null) call.asked(task);
    return call;
  }

  #dropTask({ expected }: Call): void {
    if (expected === null) return;
    this.#byTask.delete(expected);
    this.#streams.leave(expected);
  }
}

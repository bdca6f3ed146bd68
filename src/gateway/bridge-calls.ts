import type { Committed } from '../asker/commit-local.js';
import type { BridgeTerms } from '../bridge/bridge-terms.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import type { AskedCall } from './asked-call.js';
import { BridgeFeed } from './bridge-feed.js';
import type { Call } from './call.js';
import { keyOf } from './call-content.js';
import { draftCall, draftCancel } from './call-drafts.js';
import type { Calls, CallsSettings } from './calls.js';
import type { QueuedMessage } from './commit-batch.js';
import { CommitQueue } from './commit-queue.js';
import { FreshTerms } from './fresh-terms.js';
import { KeptCalls } from './kept-calls.js';
import { KnownModels } from './known-models.js';
import type { LiveCall } from './live-call.js';
import { OpenTasks } from './open-tasks.js';
import { findOwnTasks, takeUp } from './own-tasks.js';
import { PostedCalls } from './posted-calls.js';
import { readRecordedKeys } from './recorded-keys.js';
import { keyReused } from './task-errors.js';
import { toldOnce } from './told-once.js';

/** The calls of a gateway over one view of its bridge, which it closes. */
export class BridgeCalls implements Calls {
  readonly view: BridgeView;
  readonly #settings: CallsSettings;
  readonly #kept: KeptCalls;
  readonly #posted: PostedCalls;
  readonly #feed: BridgeFeed;
  readonly #models: KnownModels;
  readonly #terms: FreshTerms;
  readonly #queue: CommitQueue;
  readonly #open: OpenTasks;
  readonly #tell: (error: unknown) => void;
  #isClosed = false;

  private constructor(feed: BridgeFeed, settings: CallsSettings) {
    this.view = feed.view;
    this.#settings = settings;
    this.#tell = toldOnce(settings.onProblem);
    this.#feed = feed;
    this.#kept = new KeptCalls(feed.view, { ...settings, cancel: (task) => this.#cancel(task) });
    this.#models = new KnownModels(feed);
    this.#terms = new FreshTerms(feed.view, this.#tell);
    this.#queue = new CommitQueue(feed, settings.name);
    this.#open = new OpenTasks(feed.view);
    const ours = () => ({ name: this.#queue.name, gateway: settings.gateway });
    this.#posted = new PostedCalls(() => readRecordedKeys(feed.view, feed.tip(), ours()));
  }

  static async open(view: BridgeView, settings: CallsSettings): Promise<BridgeCalls> {
    const feed = await BridgeFeed.open(view, {
      onCommits: (commits) => {
        calls.#open.take(commits);
        return calls.#kept.takeCommits(commits, feed.reader());
      },
      onSideRefs: () => calls.#models.changed(),
      onProblem: (error) => calls.#tell(error),
    });
    const calls = new BridgeCalls(feed, settings);
    const query = { ...settings, name: calls.#queue.name, max: settings.maxCalls };
    takeUp(calls.#kept, await findOwnTasks(view, feed.tip(), query));
    feed.follow();
    return calls;
  }

  async open(asked: AskedCall): Promise<LiveCall> {
    const found = this.#kept.find(asked);
    if (found !== null) return await found.join(true, asked.signal);
    await this.#models.require(asked);
    await this.terms();
    await this.#posted.ready(asked);
    // Meanwhile somebody may have asked the same.
    const again = this.#kept.find(asked);
    if (again !== null) return await again.join(true, asked.signal);
    this.#posted.requireFree(asked);
    this.#kept.requireRoom();
    return await this.#ask(asked).join(false, asked.signal);
  }

  post(asked: AskedCall): Promise<string> {
    return this.#posted.once(asked, () => this.#post(asked));
  }

  async #post(asked: AskedCall): Promise<string> {
    const key = keyOf(asked);
    // A call that waits has it: `background` makes this another one.
    if (key !== null && this.#kept.find(asked)?.key === key) throw keyReused();
    await this.#models.require(asked);
    await this.terms();
    const { isStreamed: _, ...message } = draftCall(asked, this.view, this.#settings.gateway);
    const endsAtMs = performance.now() + this.#settings.waitMs;
    const isWanted = () => performance.now() < endsAtMs && asked.signal?.aborted !== true;
    return (await this.submit({ ...message, isWanted })).id;
  }

  async watch(task: string): Promise<LiveCall> {
    const there = this.#kept.ofTask(task);
    if (there !== undefined) return await there.join(true);
    this.#kept.requireRoom();
    return await this.#kept.watch(task);
  }

  async submit(what: QueuedMessage): Promise<Committed> {
    try {
      const committed = await this.#queue.submit(what);
      if (what.cancels === undefined) this.#open.asked(committed.id);
      else this.#open.cancelled(what.cancels);
      return committed;
    } catch (error) {
      throw this.#terms.notTaken(error);
    }
  }

  cancelling = (task: string): void => this.#kept.ofTask(task)?.cancelled();

  refresh(): Promise<unknown> {
    return this.#feed.catchUp();
  }

  get asker(): string {
    return this.#queue.name;
  }

  hasModel(model: string): Promise<boolean> {
    return this.#models.has(model);
  }

  async knows(asked: AskedCall): Promise<boolean> {
    return this.#kept.find(asked) !== null || (await this.#posted.knows(asked));
  }

  openTasks(): Promise<number> {
    return this.#open.count();
  }

  isAiling(): boolean {
    return this.#feed.isAiling;
  }

  lastWho(): WhoWorks | null {
    return this.#models.last();
  }

  who(maxAgeMs?: number): Promise<WhoWorks> {
    return this.#models.who(maxAgeMs);
  }

  terms(): Promise<BridgeTerms> {
    return this.#terms.now();
  }

  rates(running: readonly string[]): ReadonlyMap<string, number> {
    return this.#kept.rates(running);
  }

  counts(): { readonly tasks: number; readonly clients: number } {
    return { tasks: this.#kept.size, clients: this.#kept.clients };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#models.close();
    await Promise.all([this.#kept.close(), this.#queue.close()]);
    await this.#feed.close();
    await this.view.close();
  }

  #ask(asked: AskedCall): Call {
    const { isStreamed, ...message } = draftCall(asked, this.view, this.#settings.gateway);
    const call = this.#kept.add(asked);
    this.#queue
      .submit({
        ...message,
        isWanted: () => call.listenerCount > 0,
        soon: (task) => this.#kept.expect(call, task, isStreamed),
      })
      .then(async ({ id: task, isNew }) => {
        if (!call.isAnswered) this.#open.asked(task);
        this.#kept.onMain(call, task, isStreamed);
        if (!isNew) await this.#kept.lookUp(task);
      })
      .catch((error) => {
        if (call.task !== null) return this.#tell(error);
        this.#kept.forget(call);
        call.failed(this.#terms.notTaken(error));
      });
    return call;
  }

  #cancel(task: string): void {
    this.#queue
      .submit({ ...draftCancel(task, this.view), isWanted: () => !this.#isClosed })
      .then(() => this.#open.cancelled(task))
      // Its answer may have come first; nothing rests on a cancel.
      .catch(() => {});
  }
}

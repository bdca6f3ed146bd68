import type { Committed } from '../asker/commit-local.js';
import { openToWrite } from '../asker/commit-to-view.js';
import { type FoundAnswer, findAnswer, readFoundAnswer } from '../asker/find-answer.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { BridgeAccess, BridgeTerms } from '../bridge/connection.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { TaskRecords } from '../log/task-records.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { ApiError } from './api-errors.js';
import type { AskedCall } from './asked-call.js';
import { BridgeFeed } from './bridge-feed.js';
import type { Call } from './call.js';
import { draftCall, draftCancel } from './call-drafts.js';
import type { Calls } from './calls.js';
import type { CallsSettings } from './calls-settings.js';
import type { QueuedMessage } from './commit-batch.js';
import { CommitQueue } from './commit-queue.js';
import { FreshTerms } from './fresh-terms.js';
import { KeptCalls } from './kept-calls.js';
import { KnownModels } from './known-models.js';
import type { LiveCall } from './live-call.js';
import { findOwnTasks } from './own-tasks.js';
import { PostedCalls } from './posted-calls.js';
import { notTaken, tooManyOpen } from './task-errors.js';
import { openTaskStreams, type TaskStreams } from './task-streams.js';
/** Opens a bridge for the calls of a gateway. Throws BridgeError as openToWrite does. */
export async function openCalls(access: BridgeAccess, settings: CallsSettings): Promise<Calls> {
  const view = await openToWrite(access, 'window', { name: settings.name });
  try {
    return await BridgeCalls.open(view, settings);
  } catch (error) {
    await view.close();
    throw error;
  }
}

class BridgeCalls implements Calls {
  readonly view: BridgeView;
  readonly #settings: CallsSettings;
  readonly #kept: KeptCalls;
  readonly #posted = new PostedCalls();
  readonly #feed: BridgeFeed;
  readonly #models: KnownModels;
  readonly #terms: FreshTerms;
  readonly #queue: CommitQueue;
  readonly #streams: TaskStreams;
  #told = '';
  #isClosed = false;

  private constructor(feed: BridgeFeed, settings: CallsSettings) {
    const { waitMs, lingerMs } = settings;
    this.view = feed.view;
    this.#settings = settings;
    this.#feed = feed;
    this.#kept = new KeptCalls({ waitMs, lingerMs, abandoned: (call) => this.#abandoned(call) });
    this.#models = new KnownModels(feed);
    this.#terms = new FreshTerms(feed.view);
    this.#queue = new CommitQueue(feed, settings.name);
    this.#streams = openTaskStreams(feed.view.connection, (task, piece) =>
      this.#kept.ofTask(task)?.take(piece),
    );
  }

  static async open(view: BridgeView, settings: CallsSettings): Promise<BridgeCalls> {
    const feed = await BridgeFeed.open(view, {
      onCommits: (commits) => calls.#takeCommits(commits),
      onSideRefs: () => calls.#models.changed(),
      onProblem: (error) => calls.#tell(error),
    });
    const calls = new BridgeCalls(feed, settings);
    await calls.#takeUp();
    feed.follow();
    return calls;
  }

  /** Takes up what was asked before this gateway was started again: its clients may come back. */
  async #takeUp(): Promise<void> {
    const { gateway, lingerMs, maxCalls: max } = this.#settings;
    const query = { name: this.#queue.name, gateway, lingerMs, max };
    for (const own of await findOwnTasks(this.view, this.#feed.tip(), query)) {
      const call = this.#kept.add(own);
      this.#onMain(own.task, call, own.isStreamed);
      if (own.answer !== null) this.#answered(own.task, own.answer);
      call.linger();
    }
  }

  async open(asked: AskedCall): Promise<LiveCall> {
    const found = this.#kept.find(asked);
    if (found !== null) return await found.join(true, asked.signal);
    await this.#models.require(asked);
    await this.terms();
    // Meanwhile somebody may have asked the same.
    const again = this.#kept.find(asked);
    if (again !== null) return await again.join(true, asked.signal);
    if (this.#kept.size >= this.#settings.maxCalls) throw tooManyOpen(this.#kept.size);
    return await this.#ask(asked).join(false, asked.signal);
  }

  post(asked: AskedCall): Promise<string> {
    return this.#posted.once(asked, () => this.#post(asked));
  }

  async #post(asked: AskedCall): Promise<string> {
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
    if (this.#kept.size >= this.#settings.maxCalls) throw tooManyOpen(this.#kept.size);
    const call = this.#kept.watch(task, (ended) => {
      this.#kept.forget(ended);
      this.#streams.leave(task);
    });
    this.#onMain(task, call, this.view.terms.hasStreams);
    const live = await call.join(true);
    try {
      const found = await findAnswer(this.view, task);
      if (found !== null) this.#answered(task, found);
      return live;
    } catch (error) {
      live.leave();
      throw error;
    }
  }

  async submit(what: QueuedMessage): Promise<Committed> {
    try {
      return await this.#queue.submit(what);
    } catch (error) {
      throw this.#notTaken(error);
    }
  }

  refresh(): Promise<unknown> {
    return this.#feed.catchUp();
  }

  get asker(): string {
    return this.#queue.name;
  }

  async hasModel(model: string): Promise<boolean> {
    try {
      await this.#models.require({ path: '', body: { model } });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  who(maxAgeMs?: number): Promise<WhoWorks> {
    return this.#models.who(maxAgeMs);
  }

  terms(): Promise<BridgeTerms> {
    return this.#terms.now();
  }

  counts(): { readonly tasks: number; readonly clients: number } {
    return {
      tasks: this.#kept.size,
      clients: [...this.#kept].reduce((sum, call) => sum + call.listenerCount, 0),
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const call of this.#kept) call.close();
    await this.#queue.close();
    await this.#streams.close();
    await this.#feed.close();
    await this.view.close();
  }

  #ask(asked: AskedCall): Call {
    const { isStreamed, ...message } = draftCall(asked, this.view, this.#settings.gateway);
    const call = this.#kept.add(asked);
    this.#queue
      .submit({ ...message, isWanted: () => call.listenerCount > 0 })
      .then(async ({ id: task, isNew }) => {
        this.#onMain(task, call, isStreamed);
        const found = isNew ? null : await findAnswer(this.view, task);
        if (found !== null) this.#answered(task, found);
      })
      .catch((error) => {
        if (call.task !== null) return this.#tell(error);
        this.#kept.forget(call);
        call.failed(this.#notTaken(error));
      });
    return call;
  }

  #notTaken(error: unknown): ApiError {
    if (error instanceof BridgeError && !error.retryable) this.#terms.outdated();
    return notTaken(error);
  }

  #onMain(task: string, call: Call, isStreamed: boolean): void {
    this.#kept.onMain(call, task);
    if (isStreamed) this.#streams.follow(task);
  }

  #abandoned(call: Call): void {
    this.#kept.forget(call);
    if (call.task === null) return;
    this.#streams.leave(call.task);
    if (!call.isAnswered) this.#cancel(call.task);
  }

  #cancel(task: string): void {
    this.#queue
      .submit({ ...draftCancel(task, this.view), isWanted: () => !this.#isClosed })
      // Its answer may have come first; nothing rests on a cancel.
      .catch(() => {});
  }

  async #takeCommits(commits: readonly HistoryCommit[]): Promise<void> {
    const reader = this.#feed.reader();
    const records = new TaskRecords(this.view.repo, reader);
    for (const commit of commits) {
      const { taskTrailer: task } = commit;
      if (this.#kept.ofTask(task) === undefined || messageOf(commit).kind !== 'answer') continue;
      const found = await readFoundAnswer(this.view, { reader, records }, commit);
      if (found !== null) this.#answered(task, found);
    }
  }

  #answered(task: string, found: FoundAnswer): void {
    this.#streams.ending(task);
    this.#kept.ofTask(task)?.answered(found);
  }

  #tell(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#told) return;
    this.#told = text;
    this.#settings.onProblem(error);
  }
}

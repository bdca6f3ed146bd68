import { createHash, randomUUID } from 'node:crypto';
import { sameModel } from '../agent/backends/same-model.js';
import { openToWrite } from '../asker/commit-to-view.js';
import { type FoundAnswer, findAnswer } from '../asker/find-answer.js';
import { draftTask } from '../asker/task-draft.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { holdersOf } from '../bridge/wanted-model.js';
import { TaskRecords } from '../log/task-records.js';
import { answerOf } from '../log/walk-answers.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { writeCancel } from '../protocol/cancel.js';
import { askMessage, cancelMessage } from '../protocol/commit-message.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { CANCEL_FILE } from '../protocol/names.js';
import { isPresent } from '../protocol/presence.js';
import { modelOfRequest, type TaskRequest } from '../protocol/request.js';
import { taskHash } from '../protocol/task.js';
import { ApiError } from './api-errors.js';
import { BridgeFeed } from './bridge-feed.js';
import { Call, type LiveCall } from './call.js';
import { CommitQueue } from './commit-queue.js';
import { findOwnTasks } from './own-tasks.js';
import { openTaskStreams, type TaskStreams } from './task-streams.js';

/** What the calls of a gateway are kept by. */
export interface CallsSettings {
  /** How long a call waits for its answer. Milliseconds. */
  readonly waitMs: number;
  /** How long a task without a client lives on. Milliseconds. */
  readonly lingerMs: number;
  /**
   * A name for this gateway that no other one on this bridge has: after a restart it knows its own tasks by
   * it, and no other's. It stands in the record, as `metadata.gateway`.
   */
  readonly gateway: string;
  /** Who asks, where no key says it. Default: the login name. */
  readonly name?: string | undefined;
  /** The most tasks that may be open or kept at a time. */
  readonly maxCalls: number;
  /** Something went wrong that will be tried again; at most once for each kind of failure in a row. */
  readonly onProblem: (error: unknown) => void;
}

/** A call of a client. */
export interface AskedCall extends TaskRequest {
  /** The name of the token that it came with; null where there are no tokens. */
  readonly token: string | null;
  readonly idempotencyKey: string | null;
  /** Whether the answer is to come in pieces. */
  readonly wantsStream: boolean;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}

/** The calls of a gateway, all over one view of its bridge. */
export interface Calls {
  /**
   * Asks, or joins a task that waits for this client. Resolves once the task is on main. Throws ApiError: 404
   * for a model that nobody has, 429 for too many calls, 413 for one too large, 422 for an idempotency key
   * that was used for another call, 503 where the bridge cannot be reached.
   */
  open(asked: AskedCall): Promise<LiveCall>;
  /** Who is there, and what they have; at most some seconds old. */
  who(): Promise<WhoWorks>;
  /** The bridge's rules and clock. */
  readonly view: BridgeView;
  /** How many tasks are open or kept, and how many clients there are. */
  counts(): { readonly tasks: number; readonly clients: number };
  /** Ends all that waits. What is open on the bridge stays open. */
  close(): Promise<void>;
}

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

/** What lies beside main is read again after this time. Milliseconds. */
const WHO_AGE_MS = 30_000;

/** A model that nobody seems to have is looked for again, but not more often than this. Milliseconds. */
const WHO_AGAIN_MS = 1_000;

class BridgeCalls implements Calls {
  readonly view: BridgeView;
  readonly #settings: CallsSettings;
  readonly #byTask = new Map<string, Call>();
  /** Those that the same question may find again. */
  readonly #byContent = new Map<string, Set<Call>>();
  readonly #byKey = new Map<string, Call>();
  readonly #all = new Set<Call>();
  #feed!: BridgeFeed;
  #queue!: CommitQueue;
  #streams!: TaskStreams;
  #who: { readonly value: Promise<WhoWorks>; readonly atMs: number } | null = null;
  #told = '';
  #isClosed = false;

  private constructor(view: BridgeView, settings: CallsSettings) {
    this.view = view;
    this.#settings = settings;
  }

  static async open(view: BridgeView, settings: CallsSettings): Promise<BridgeCalls> {
    const calls = new BridgeCalls(view, settings);
    calls.#feed = await BridgeFeed.open(view, {
      onCommits: (commits) => calls.#takeCommits(commits),
      onSideRefs: () => {
        calls.#who = null;
      },
      onProblem: (error) => calls.#tell(error),
    });
    calls.#queue = new CommitQueue(calls.#feed, settings.name);
    calls.#streams = openTaskStreams(view.connection, (task, piece) => calls.#byTask.get(task)?.take(piece));
    await calls.#takeUp();
    calls.#feed.follow();
    return calls;
  }

  /** Takes up what was asked before this gateway was started again: its clients may come back. */
  async #takeUp(): Promise<void> {
    const { gateway, lingerMs, maxCalls: max } = this.#settings;
    const query = { name: this.#queue.name, gateway, lingerMs, max };
    for (const own of await findOwnTasks(this.view, this.#feed.tip(), query)) {
      const call = this.#keep(contentOf(own), keyOf(own));
      this.#onMain(own.task, call, own.isStreamed);
      if (own.answer !== null) this.#answered(own.task, own.answer);
      call.linger();
    }
  }

  #onMain(task: string, call: Call, isStreamed: boolean): void {
    this.#byTask.set(task, call);
    if (isStreamed) this.#streams.follow(task);
    call.asked(task);
  }

  async open(asked: AskedCall): Promise<LiveCall> {
    const content = contentOf(asked);
    const found = this.#find(asked, content);
    if (found !== null) return await found.join(true, asked.signal);
    await this.#requireModel(asked);
    // Meanwhile somebody may have asked the same.
    const again = this.#find(asked, content);
    if (again !== null) return await again.join(true, asked.signal);
    if (this.#all.size >= this.#settings.maxCalls) {
      throw new ApiError(`${this.#all.size} calls wait already`, {
        status: 429,
        code: 'too_many_requests',
        retryAfterS: 5,
      });
    }
    return await this.#ask(asked, content).join(false, asked.signal);
  }

  who(): Promise<WhoWorks> {
    return this.#whoSince(performance.now() - WHO_AGE_MS);
  }

  counts(): { readonly tasks: number; readonly clients: number } {
    return {
      tasks: this.#all.size,
      clients: [...this.#all].reduce((sum, call) => sum + call.listenerCount, 0),
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const call of this.#all) call.close();
    await this.#queue.close();
    await this.#streams.close();
    await this.#feed.close();
    await this.view.close();
  }

  /** The task that this call joins; null where it asks a new one. */
  #find(asked: AskedCall, content: string): Call | null {
    const key = keyOf(asked);
    const named = key === null ? undefined : this.#byKey.get(key);
    if (named !== undefined && named.content !== content) {
      throw new ApiError('this Idempotency-Key was used for another call; take a new one', {
        status: 422,
        code: 'idempotency_key_reused',
      });
    }
    if (named !== undefined) return named;
    const same = this.#byContent.get(content) ?? [];
    return [...same].find((call) => call.isOrphan) ?? null;
  }

  #ask(asked: AskedCall, content: string): Call {
    const draft = this.#draft(asked);
    const call = this.#keep(content, keyOf(asked));
    const message = askMessage({ hash: taskHash(draft.bytes), question: draft.question });
    this.#queue
      .submit({ file: draft.file, bytes: draft.bytes, message, isWanted: () => call.hasListeners })
      .then(async ({ id: task, isNew }) => {
        this.#onMain(task, call, draft.task.stream === true);
        const found = isNew ? null : await findAnswer(this.view, task);
        if (found !== null) this.#answered(task, found);
      })
      .catch((error) => {
        if (call.task !== null) return this.#tell(error);
        this.#forget(call);
        call.failed(errorOfBridge(error));
      });
    return call;
  }

  #draft({ path, body, token, idempotencyKey, wantsStream }: AskedCall) {
    const { terms } = this.view;
    const nowMs = terms.serverNow();
    const metadata = {
      gateway: this.#settings.gateway,
      ...(token === null ? {} : { token }),
      ...(idempotencyKey === null ? {} : { idempotency_key: idempotencyKey }),
    };
    const stream = wantsStream && terms.hasStreams ? { stream: true } : {};
    const fields = { id: randomUUID(), request: { path, body }, ...stream, metadata };
    try {
      return draftTask(fields, { nowMs, dedup: false, maxBytes: terms.maxTaskBytes });
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      const isTooLarge = error.message.includes('the limit is');
      throw new ApiError(error.message, { status: isTooLarge ? 413 : 400, cause: error });
    }
  }

  #keep(content: string, key: string | null): Call {
    const { waitMs, lingerMs } = this.#settings;
    const abandoned = () => {
      this.#forget(call);
      if (call.task !== null && !call.isAnswered) this.#cancel(call.task);
    };
    const call: Call = new Call({ waitMs, lingerMs, abandoned }, content, key);
    this.#all.add(call);
    this.#byContent.set(content, (this.#byContent.get(content) ?? new Set()).add(call));
    if (key !== null) this.#byKey.set(key, call);
    return call;
  }

  #forget(call: Call): void {
    this.#all.delete(call);
    if (call.task !== null) {
      this.#byTask.delete(call.task);
      this.#streams.leave(call.task);
    }
    const same = this.#byContent.get(call.content);
    same?.delete(call);
    if (same?.size === 0) this.#byContent.delete(call.content);
    if (call.key !== null && this.#byKey.get(call.key) === call) this.#byKey.delete(call.key);
  }

  #cancel(task: string): void {
    const cancel = {
      task_commit: task,
      reason: 'nobody waits for it any more',
      cancelled_at: new Date(this.view.terms.serverNow()).toISOString(),
    };
    this.#queue
      .submit({
        file: CANCEL_FILE,
        bytes: writeCancel(cancel),
        message: cancelMessage(cancel),
        isWanted: () => !this.#isClosed,
      })
      // Its answer may have come first; nothing rests on a cancel.
      .catch(() => {});
  }

  async #takeCommits(commits: readonly HistoryCommit[]): Promise<void> {
    for (const commit of commits) {
      const call = this.#byTask.get(commit.taskTrailer);
      if (call === undefined || messageOf(commit).kind !== 'answer') continue;
      const found = await this.#readAnswer(commit);
      if (found !== null) this.#answered(commit.taskTrailer, found);
    }
  }

  #answered(task: string, found: FoundAnswer): void {
    this.#streams.ending(task);
    this.#byTask.get(task)?.answered(found);
  }

  async #readAnswer(commit: HistoryCommit): Promise<FoundAnswer | null> {
    const reader = this.#feed.reader();
    const found = await answerOf(reader, new TaskRecords(this.view.repo, reader), commit);
    return found !== null && 'answer' in found
      ? { commit: commit.id, asked: found.task, answer: found.answer }
      : null;
  }

  /** Throws ApiError where a model is named that no agent has: a typing error is told at once. */
  async #requireModel(asked: AskedCall): Promise<void> {
    const model = modelOfRequest(asked);
    if (model === undefined) return;
    const isKnown = async (sinceMs: number) => this.#mayHave(await this.#whoSince(sinceMs), model);
    const nowMs = performance.now();
    try {
      if ((await isKnown(nowMs - WHO_AGE_MS)) || (await isKnown(nowMs - WHO_AGAIN_MS))) return;
    } catch (error) {
      // Where the bridge cannot be read, asking fails as well, and says why.
      if (error instanceof BridgeError) return;
      throw error;
    }
    throw new ApiError(
      `no agent has the model ${JSON.stringify(model)}; GET /v1/models lists those there are`,
      {
        status: 404,
        code: 'model_not_found',
        param: 'model',
      },
    );
  }

  /** True also where nobody can tell: no agent has said what it has, or one that is there does not say. */
  #mayHave(who: WhoWorks, model: string): boolean {
    if (who.models.size === 0) return true;
    const nowMs = this.view.terms.serverNow();
    const isSilent = who.agents.some((one) => isPresent(one, nowMs) && !who.models.has(one.agent));
    return isSilent || holdersOf({ model }, who.models, sameModel).length > 0;
  }

  #whoSince(sinceMs: number): Promise<WhoWorks> {
    if (this.#who === null || this.#who.atMs < sinceMs) {
      const value = this.#lookWho();
      this.#who = { value, atMs: performance.now() };
      value.catch(() => {
        if (this.#who?.value === value) this.#who = null;
      });
    }
    return this.#who.value;
  }

  async #lookWho(): Promise<WhoWorks> {
    await this.#feed.catchUp({ sideRefs: true });
    return await this.view.mended(() => this.view.whoWorks());
  }

  #tell(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#told) return;
    this.#told = text;
    this.#settings.onProblem(error);
  }
}

/** What two calls share that are the same: whose they are, and what they ask. */
export function contentOf(asked: Pick<AskedCall, 'path' | 'body' | 'token'>): string {
  const text = JSON.stringify([asked.token, asked.path, sorted(asked.body)]);
  return createHash('sha256').update(text).digest('hex');
}

function keyOf({ token, idempotencyKey }: Pick<AskedCall, 'token' | 'idempotencyKey'>): string | null {
  return idempotencyKey === null ? null : JSON.stringify([token, idempotencyKey]);
}

/** The same value with the fields of objects in order: what is read from the record may have another. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}

function errorOfBridge(error: unknown): ApiError {
  if (!(error instanceof BridgeError)) {
    return new ApiError('the call was not asked, because nobody waited for it any more', {
      status: 503,
      code: 'not_asked',
      retryAfterS: 1,
      cause: error,
    });
  }
  return new ApiError(`the bridge did not take the call: ${error.message}`, {
    status: error.retryable ? 503 : 502,
    code: error.code,
    retryAfterS: error.retryable ? 1 : undefined,
    cause: error,
  });
}

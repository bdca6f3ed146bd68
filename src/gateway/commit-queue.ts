import { setTimeout as sleep } from 'node:timers/promises';
import { type Committed, identified } from '../asker/commit-local.js';
import { refusedByBridge } from '../asker/commit-remote.js';
import { loginName } from '../asker/task-draft.js';
import { connectBridge } from '../bridge/connection.js';
import { writeBlob, writeFileChain } from '../git/commit-file.js';
import { looseObjectId } from '../git/loose-object.js';
import { pushCommit } from '../git/push.js';
import { updateRefs } from '../git/refs.js';
import { repairBridge } from '../git/repair-bridge.js';
import { runGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import { MAIN_REF } from '../protocol/names.js';
import type { BridgeFeed } from './bridge-feed.js';

/** A message that is to be put on main: a file of the bridge, and the message of its commit. */
export interface QueuedMessage {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly message: string;
  /** Whether somebody still wants it; asked before each try. */
  readonly isWanted: () => boolean;
}

/** What one push brings at most; the server bounds it, too. Bytes. */
const MAX_BATCH_BYTES = 32 * 1024 * 1024;

/** This many lost races in a row while nobody else has moved main are no races: something blocks it. */
const MAX_VAIN = 3;

/** Waits between tries after a broken connection: at first this, twice as long each time. Milliseconds. */
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;

interface Waiting {
  readonly what: QueuedMessage;
  readonly done: (committed: Committed) => void;
  readonly failed: (error: unknown) => void;
}

/** Commits that were made for messages, in the same order. */
interface Pushed {
  readonly items: readonly Waiting[];
  readonly ids: readonly string[];
}

/** `moved`: main has them. An error: the bridge refused one of them. */
type Published = 'moved' | 'raced' | BridgeError;

/**
 * Puts messages on main, those that come at the same time together: many commits, one push (on this machine:
 * one compare-and-swap). While one batch is on its way, the next one gathers.
 */
export class CommitQueue {
  readonly #feed: BridgeFeed;
  readonly #name: string;
  readonly #closing = new AbortController();
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;

  /** `name`: who writes, where no key says it. */
  constructor(feed: BridgeFeed, name: string | undefined) {
    this.#feed = feed;
    this.#name = feed.view.terms.principal?.name ?? name ?? loginName();
  }

  /** The author of what is committed. */
  get name(): string {
    return this.#name;
  }

  /**
   * Resolves once the message is on main; `isNew` is false where it came there unseen, and may have been
   * read already. Tries until nobody wants it any more.
   * Rejects with BridgeError `refused-…` where the bridge does not take it, with the last failure
   * where it is not wanted any more.
   */
  submit(what: QueuedMessage): Promise<Committed> {
    return new Promise((done, failed) => {
      this.#waiting.push({ what, done, failed });
      this.#running ??= this.#run().finally(() => {
        this.#running = null;
      });
    });
  }

  /** Gives up what is not on main yet. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What comes in the same turn of the event loop goes together from the first batch on.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        await this.#commit(batch);
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { what } of this.#waiting.slice(0, MAX_COMMITS_PER_PUSH)) {
      bytes += what.bytes.length;
      if (count > 0 && bytes > MAX_BATCH_BYTES) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Tries until each of them is on main, refused, or not wanted. Throws where all of them have failed. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    const pushed: Pushed[] = [];
    let left = batch;
    let lastError: unknown = new Error('nobody waits for it any more');
    let vain = { parent: '', times: 0 };
    for (let failures = 0; ; ) {
      try {
        const parent = await this.#nextParent(pushed.length > 0);
        left = await this.#withoutArrived(left, pushed);
        for (const { what, failed } of left) if (!what.isWanted()) failed(lastError);
        left = left.filter(({ what }) => what.isWanted());
        if (left.length === 0) return;
        vain = { parent, times: vain.parent === parent ? vain.times + 1 : 0 };
        if (vain.times === MAX_VAIN && this.#feed.view.isLocal) await repairBridge(this.#feed.view.repo);
        const made = { items: left, ids: await this.#write(left, parent) };
        pushed.push(made);
        const outcome = await this.#publish(parent, made, failures);
        if (outcome === 'moved') return;
        if (outcome !== 'raced') {
          if (left.length === 1) throw outcome;
          return await this.#commitApart(left);
        }
        await sleep(Math.random() * 20 * Math.min(vain.times + 1, 10));
      } catch (error) {
        if (this.#closing.signal.aborted || !(error instanceof BridgeError && error.retryable)) throw error;
        lastError = error;
        const delayMs = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS) * (0.5 + Math.random() / 2);
        failures += 1;
        await sleep(delayMs, undefined, { signal: this.#closing.signal });
      }
    }
  }

  /** A refusal names one of many; in halves, it is found which one it was. */
  async #commitApart(batch: readonly Waiting[]): Promise<void> {
    const half = Math.ceil(batch.length / 2);
    for (const part of [batch.slice(0, half), batch.slice(half)]) {
      await this.#commit(part).catch((error) => {
        for (const { failed } of part) failed(error);
      });
    }
  }

  /** The commit to build on. `isAgain`: what was known before is not enough. */
  async #nextParent(isAgain: boolean): Promise<string> {
    this.#closing.signal.throwIfAborted();
    await connectBridge(this.#feed.view.connection, this.#closing.signal);
    return isAgain && !this.#feed.view.isLocal ? await this.#feed.catchUp() : await this.#feed.newestTip();
  }

  /** Without those of a push that arrived although its reply was lost. */
  async #withoutArrived(left: readonly Waiting[], pushed: readonly Pushed[]): Promise<readonly Waiting[]> {
    const { repo, ref } = this.#feed.view;
    for (const { items, ids } of pushed) {
      const tip = ids.at(-1) ?? '';
      if ((await runGit(repo, ['merge-base', '--is-ancestor', tip, ref])).exitCode !== 0) continue;
      for (const [at, { done }] of items.entries()) done({ id: ids[at] ?? '', isNew: false });
      return left.filter((one) => !items.includes(one));
    }
    return left;
  }

  async #write(batch: readonly Waiting[], parent: string): Promise<string[]> {
    const { repo, terms } = this.#feed.view;
    const by = { name: this.#name, atMs: terms.serverNow() };
    const ids = repo.ownIds;
    const commits = [];
    for (const { what } of batch) {
      const { file, message, bytes: content } = what;
      const blob =
        ids === undefined ? await writeBlob(repo, content) : looseObjectId({ type: 'blob', content }, ids);
      commits.push({ file, blob, content, message, by });
    }
    return await writeFileChain(repo, this.#feed.reader(), parent, commits);
  }

  async #publish(parent: string, { items, ids }: Pushed, failures: number): Promise<Published> {
    const { repo, isLocal, connection } = this.#feed.view;
    const tip = ids.at(-1) ?? parent;
    if (isLocal) {
      const by = { name: this.#name, atMs: 0 };
      const outcome = await updateRefs(
        identified(repo, by),
        [{ ref: MAIN_REF, to: tip, from: parent }],
        'ask',
      );
      if (outcome !== 'updated') return 'raced';
    } else {
      const { signal } = this.#closing;
      const outcome = await pushCommit({ repo, url: connection.address.url, signal }, tip);
      if (outcome.status === 'refused')
        return refusedByBridge(items[0]?.what.file ?? '', outcome.refusal, failures);
      if (outcome.status !== 'pushed') return 'raced';
    }
    await this.#feed.moved(parent, tip);
    for (const [at, { done }] of items.entries()) done({ id: ids[at] ?? '', isNew: true });
    return 'moved';
  }
}

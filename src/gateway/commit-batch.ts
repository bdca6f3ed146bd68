import { setTimeout as sleep } from 'node:timers/promises';
import { type Committed, identified } from '../asker/commit-local.js';
import { refusedByBridge } from '../asker/commit-remote.js';
import { connectBridge } from '../bridge/connection.js';
import { type WrittenChain, writeBlob, writeFileChain } from '../git/commit-file.js';
import { looseObjectId } from '../git/loose-object.js';
import { pushCommit } from '../git/push.js';
import { isAncestor, updateRefs } from '../git/refs.js';
import { repairBridge } from '../git/repair-bridge.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import type { Refusal, RefusalCode } from '../protocol/refusal.js';
import type { BridgeFeed } from './bridge-feed.js';
import type { HeldPush } from './held-push.js';

/** A message that is to be put on main: a file of the bridge, and the message of its commit. */
export interface QueuedMessage {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly message: string;
  /** The task that it cancels; absent for a task. */
  readonly cancels?: string;
  /** Is told the id that it will have on main, before each try: another push may come first. */
  readonly soon?: (id: string) => void;
  /** Whether somebody still wants it; asked before each try. */
  readonly isWanted: () => boolean;
}

/** A message in a batch, and who is told how it ended. */
export interface BatchItem {
  readonly what: QueuedMessage;
  readonly done: (committed: Committed) => void;
  readonly failed: (error: unknown) => void;
}

/** This many lost races in a row, while nobody else has moved main, are none: a lock blocks it. */
const MAX_VAIN = 3;

/** Waits between tries after a broken connection: at first this, twice as long each time. Milliseconds. */
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;

/** These are about whoever pushes, so every message of a batch would be refused alike. */
const ABOUT_US: readonly RefusalCode[] = ['role', 'principal', 'author', 'clock', 'ref'];

/** Commits that were made for messages, in the same order. */
interface Made extends WrittenChain {
  readonly items: readonly BatchItem[];
}

type Published = 'moved' | 'raced' | { readonly refusal: Refusal };

/** Puts some messages on main: a commit for each, one push for all. */
export class CommitBatch {
  readonly #feed: BridgeFeed;
  readonly #held: HeldPush;
  readonly #name: string;
  readonly #signal: AbortSignal;
  /** Pushes whose reply was lost: any of them may have arrived, or may still do so. */
  readonly #unheard: Made[] = [];
  #failures = 0;

  /** `name`: the author. The signal ends the tries. */
  constructor(
    { feed, held }: { readonly feed: BridgeFeed; readonly held: HeldPush },
    name: string,
    signal: AbortSignal,
  ) {
    this.#feed = feed;
    this.#held = held;
    this.#name = name;
    this.#signal = signal;
  }

  /** Tries until each of them is on main, refused, or not wanted; each is told so. Never throws. */
  async commit(items: readonly BatchItem[]): Promise<void> {
    try {
      await this.#tryAll(items);
    } catch (error) {
      for (const { failed } of items) failed(error);
    }
  }

  /** Throws where all that are left have failed. */
  async #tryAll(items: readonly BatchItem[]): Promise<void> {
    let left = items;
    let lastError: unknown = new Error('nobody waits for it any more');
    let vain = { parent: '', times: 0 };
    let isBehind = false;
    for (;;) {
      try {
        const parent = await this.#nextParent(isBehind);
        isBehind = this.#unheard.length > 0;
        left = await this.#withoutArrived(left);
        for (const { what, failed } of left) if (!what.isWanted()) failed(lastError);
        left = left.filter(({ what }) => what.isWanted());
        if (left.length === 0) return;
        vain = { parent, times: vain.parent === parent ? vain.times + 1 : 0 };
        if (vain.times === MAX_VAIN && this.#feed.view.isLocal) await repairBridge(this.#feed.view.repo);
        const items = left;
        const written = await this.#feed.view.mended(() => this.#write(items, parent), this.#signal);
        const made = { items, ...written };
        for (const [at, { what }] of left.entries()) what.soon?.(made.ids[at] ?? '');
        const tip = made.ids.at(-1) ?? parent;
        const outcome = await this.#feed.pushing(tip, () => this.#publish(parent, tip, made));
        if (outcome === 'moved') return;
        if (outcome === 'raced') {
          isBehind = true;
          await sleep(Math.random() * 20 * Math.min(vain.times + 1, 10));
          continue;
        }
        vain = { parent: '', times: 0 };
        left = await this.#withoutRefused(made, outcome.refusal);
      } catch (error) {
        if (this.#signal.aborted || !(error instanceof BridgeError && error.retryable)) throw error;
        lastError = error;
        isBehind = true;
        const delayMs = Math.min(FIRST_DELAY_MS * 2 ** this.#failures, MAX_DELAY_MS);
        this.#failures += 1;
        await sleep(delayMs * (0.5 + Math.random() / 2), undefined, { signal: this.#signal });
      }
    }
  }

  /**
   * A refusal is about one message of many. Mostly it names that one; otherwise it is found by halves.
   * Returns those that are still to be put on main. Throws the refusal where it is about all of them, or
   * about the only one.
   */
  async #withoutRefused({ items, ids }: Made, refusal: Refusal): Promise<readonly BatchItem[]> {
    const named = /\bcommit ([0-9a-f]{7,64})\b/.exec(refusal.text)?.[1];
    const at = named === undefined ? -1 : ids.findIndex((id) => id.startsWith(named));
    const error = refusedByBridge(items[Math.max(0, at)]?.what.file ?? '', refusal, this.#failures);
    if (error.retryable || items.length === 1 || ABOUT_US.includes(refusal.code)) throw error;
    if (at >= 0) {
      items[at]?.failed(error);
      return items.filter((_, one) => one !== at);
    }
    const half = Math.ceil(items.length / 2);
    await this.commit(items.slice(0, half));
    return items.slice(half);
  }

  /** The commit to build on. `isBehind`: main is known to have moved, so it is fetched first. */
  async #nextParent(isBehind: boolean): Promise<string> {
    this.#signal.throwIfAborted();
    await connectBridge(this.#feed.view.connection, this.#signal);
    return isBehind && !this.#feed.view.isLocal ? await this.#feed.catchUp() : await this.#feed.newestTip();
  }

  /** Without those of a push that arrived although its reply was lost. */
  async #withoutArrived(left: readonly BatchItem[]): Promise<readonly BatchItem[]> {
    const { repo, ref } = this.#feed.view;
    let missing = left;
    for (const { items, ids } of this.#unheard) {
      if (!(await isAncestor(repo, ids.at(-1) ?? '', ref))) continue;
      for (const [at, { done }] of items.entries()) done({ id: ids[at] ?? '', isNew: false });
      missing = missing.filter((one) => !items.includes(one));
    }
    return missing;
  }

  async #write(items: readonly BatchItem[], parent: string): Promise<WrittenChain> {
    const { repo, terms } = this.#feed.view;
    const by = { name: this.#name, atMs: terms.serverNow() };
    const ids = repo.ownIds;
    const commits = [];
    for (const { what } of items) {
      const { file, message, bytes: content } = what;
      const blob =
        ids === undefined ? await writeBlob(repo, content) : looseObjectId({ type: 'blob', content }, ids);
      commits.push({ file, blob, content, message, by });
    }
    return await writeFileChain(repo, this.#feed.reader(), parent, commits);
  }

  async #publish(parent: string, tip: string, made: Made): Promise<Published> {
    const { repo, isLocal, connection } = this.#feed.view;
    const { items, ids } = made;
    if (isLocal) {
      const by = { name: this.#name, atMs: 0 };
      const update = { ref: MAIN_REF, to: tip, from: parent };
      if ((await updateRefs(identified(repo, by), [update], 'ask')) !== 'updated') return 'raced';
    } else {
      this.#unheard.push(made);
      const outcome =
        (await this.#held.push(parent, tip, made.objects)) ??
        (await pushCommit({ repo, url: connection.address.url, signal: this.#signal }, tip));
      // The reply was heard.
      this.#unheard.pop();
      if (outcome.status === 'refused') return { refusal: outcome.refusal };
      if (outcome.status !== 'pushed') return 'raced';
    }
    await this.#feed.moved(parent, tip);
    for (const [at, { done }] of items.entries()) done({ id: ids[at] ?? '', isNew: true });
    return 'moved';
  }
}

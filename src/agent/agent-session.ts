import type { BridgeTerms } from '../bridge/bridge-terms.js';
import type { AskedTask, QueueState } from '../protocol/queue.js';
import { goneSince } from './queue/gone-since.js';
import { ToldNews } from './told-news.js';
import type { UnpushedAnswers } from './unpushed-answers.js';

/** What to ask the server: for what is new (`fetch`), or only whether there is anything new (`look`). */
export type Due = 'fetch' | 'look';

/** Before the bridge was reached. */
const NOTHING_ASKED: QueueState = {
  pending: [],
  expired: [],
  goodAnswers: new Map(),
  answeredCount: 0,
  cancelled: new Map(),
};

/**
 * The terms are asked for again after this time, without a line in the log: the owner may have changed or
 * updated the bridge, and the server's clock and our timer drift apart. Milliseconds.
 */
const TERMS_AGE_MS = 3_600_000;

/**
 * What a running agent knows: terms, the tip of main, what is pending, and which answers wait to be pushed.
 * Only the methods below change it, each named for what happened. No I/O.
 */
export class AgentSession {
  /** Tells this agent from others with the same key. */
  readonly id: string;
  readonly news = new ToldNews();
  readonly unpushed: UnpushedAnswers;
  #terms: BridgeTerms | null = null;
  #learnedAtMs = Number.POSITIVE_INFINITY;
  #serverNow = () => Date.now();
  #name: string;
  #tip: string | null = null;
  #rungTip: string | null = null;
  #due: Due | null = 'fetch';
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #queue = NOTHING_ASKED;
  #pending = new Map<string, AskedTask>();
  #uncancelled: readonly AskedTask[] = [];
  readonly #settled = new Set<string>();

  /** `name`: who answers, until a key says it. `unpushed`: the answers that an earlier run left. */
  constructor(start: Pick<AgentSession, 'id' | 'name' | 'unpushed'>) {
    this.id = start.id;
    this.#name = start.name;
    this.unpushed = start.unpushed;
  }

  /** Null until the bridge was reached, and after anything that may have changed its terms. */
  get terms(): BridgeTerms | null {
    return this.#terms;
  }

  /** The name that answers are given in. */
  get name(): string {
    return this.#name;
  }

  /**
   * The time by the server's clock, as the last terms told it; before the first terms, by this machine's.
   * Milliseconds since the epoch. Call it wherever a time is needed, and do not keep the result.
   */
  serverNow(): number {
    return this.#serverNow();
  }

  /** The bridge has told its terms, and who we are there. */
  learnedTerms(terms: BridgeTerms, name: string, nowMs = performance.now()): void {
    this.#terms = terms;
    this.#learnedAtMs = nowMs;
    this.#serverNow = terms.serverNow;
    this.#name = name;
    this.wants('fetch');
  }

  /** Whether the terms are so old that they are to be asked for again. `nowMs`: a clock that never jumps. */
  hasOldTerms(nowMs = performance.now()): boolean {
    return nowMs - this.#learnedAtMs > TERMS_AGE_MS;
  }

  /** The terms may have changed: they are to be asked for again. */
  forgetTerms(): void {
    this.#terms = null;
  }

  /** Main as the clone has it; null until it was fetched. */
  get tip(): string | null {
    return this.#tip;
  }

  /** What to ask the server now; null: nothing, until the doorbell rings. */
  get due(): Due | null {
    return this.#tip === null || this.isRung ? 'fetch' : this.#due;
  }

  /** Whether all that is due is main, which has moved: the doorbell says so. */
  get isMainDue(): boolean {
    return this.#due !== 'fetch' && this.#tip !== null && this.isRung && this.#rungTip !== '';
  }

  /**
   * Whether the doorbell rang since the server was asked. Our own pushes ring too, and bring nothing new.
   */
  get isRung(): boolean {
    return this.#rungTip !== null && this.#rungTip !== this.#tip;
  }

  /** The doorbell rang, and said what main is, or nothing. */
  rang(tip = ''): void {
    if (this.#rungTip !== '') this.#rungTip = tip;
  }

  /** The server is to be asked the next time. A fetch that is due already stays a fetch. */
  wants(due: Due): void {
    if (this.#due !== 'fetch') this.#due = due;
  }

  /** The server is being asked. A ring from now on is about something that the answer may not have. */
  asked(nowMs = performance.now()): void {
    this.#askedAtMs = nowMs;
    this.#due = null;
    this.#rungTip = null;
  }

  /** When the server was last asked, by its own clock. Once it has answered, what it had then is known. */
  askedMs(nowMs = performance.now()): number {
    return this.serverNow() - (nowMs - this.#askedAtMs);
  }

  /** A fetch, or a push of ours, has brought main to this tip. */
  reached(tip: string): void {
    this.#tip = tip;
  }

  /** The clone is a new one, with nothing in it. */
  lostClone(): void {
    this.#tip = null;
    this.wants('fetch');
  }

  /** The queue as of the tip. Pending tasks stand in the order in which they are to be answered. */
  get queue(): QueueState {
    return this.#queue;
  }

  /** The queue was read. */
  queued(queue: QueueState): void {
    if (queue === this.#queue) return;
    const gone = goneSince(this.#queue.pending, queue.pending);
    if (gone === null) this.#pending = new Map(queue.pending.map((task) => [task.id, task]));
    else for (const { id } of gone) this.#pending.delete(id);
    const { pending, cancelled } = queue;
    this.#uncancelled = cancelled.size === 0 ? pending : pending.filter(({ id }) => !cancelled.has(id));
    this.#queue = queue;
  }

  isPending(task: string): boolean {
    return this.#pending.has(task);
  }

  /** The pending tasks that still need an answer, in their order, one after the other. */
  *eachOpen(): Generator<AskedTask> {
    for (const task of this.#queue.pending) if (this.isOpen(task.id)) yield task;
  }

  /** The pending tasks that nobody has cancelled, in their order. */
  get uncancelled(): readonly AskedTask[] {
    return this.#uncancelled;
  }

  /** The open task with this id; null where there is none. */
  openTask(id: string): AskedTask | null {
    return this.isOpen(id) ? (this.#pending.get(id) ?? null) : null;
  }

  /** Whether this pending task still needs an answer. */
  isOpen(id: string): boolean {
    return !this.unpushed.has(id) && !this.#settled.has(id);
  }

  /** The server will have no answer of ours to this task: it is not to be started again. */
  settle(task: string): void {
    this.#settled.add(task);
  }
}

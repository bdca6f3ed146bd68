import { createNotifier } from '../../bridge/notifier.js';
import { readSideRefs } from '../../bridge/side-refs.js';
import type { WantedModel } from '../../bridge/wanted-model.js';
import { REMOTE_PREFIX } from '../../git/fetch.js';
import type { ObjectReader } from '../../git/object-reader.js';
import type { RefAt } from '../../git/ref-files.js';
import { CLAIMS_PREFIX, claimRef } from '../../protocol/claim.js';
import { shortId } from '../../protocol/names.js';
import type { Due } from '../agent-session.js';
import type { Offer } from '../backends/model-offer.js';
import { type ClaimPushContext, ClaimPusher } from './claim-pusher.js';
import type { ClaimsEffect, ClaimsEvent, StartTask } from './claims-events.js';
import { type ClaimsFacts, claimsFacts, isClaiming } from './claims-facts.js';
import { FIRST_CLAIMS } from './claims-state.js';
import { type Generating, Generations } from './generations.js';
import { elsewhere, knowsOthers, leftTo, type ModelKnowledge } from './model-placement.js';
import { nextPushMs } from './plan-pushes.js';
import { reduceClaims } from './reduce-claims.js';
import { lookAgainMs } from './start-tasks.js';

/** At the end, a push that is under way has this long to finish. Milliseconds. */
const LAST_WORD_MS = 2_000;

/** What claims need. */
export interface ClaimsContext extends ClaimPushContext {
  readonly reader: ObjectReader;
  /** Has the loop ask the server, soon. */
  readonly ask: (what: Due) => void;
}

/** Where a model can be found that was not found here. */
export interface Elsewhere {
  /** The agents that the task is to be left to; none: it is to be answered with the error. */
  readonly leaveTo: readonly string[];
  /** What the other agents have, and where; null where it is nothing. */
  readonly offered: string | null;
}

/**
 * Who works on what: the claims of this agent and of the others, and who is there. `reduceClaims` decides;
 * this class tells it what happens, and does what follows. Nothing here can keep an answer from being given.
 */
export class Claims {
  readonly #context: ClaimsContext;
  readonly #pusher: ClaimPusher;
  readonly #notifier = createNotifier();
  readonly #stop = new AbortController();
  readonly #cut = new AbortController();
  readonly #pushing: Promise<void>;
  readonly #generations: Generations;
  readonly #known = { state: () => this.#state, facts: () => this.#facts() };
  #state = FIRST_CLAIMS;

  constructor(context: ClaimsContext) {
    this.#context = context;
    const onOffer = (offer: Offer, isNew: boolean) => this.tell({ type: isNew ? 'ready' : 'loaded', offer });
    this.#pusher = new ClaimPusher(context, this.#stop.signal, onOffer);
    const readOffer = () => void this.#pusher.refreshOffer();
    this.#generations = new Generations({ ...context, readOffer });
    if (!context.options.once) readOffer();
    this.#pushing = this.#pushWhenDue();
  }

  /** Whether the bridge takes claims, as far as is known. */
  isActive(): boolean {
    return isClaiming(this.#state, this.#facts());
  }

  /** What lies beside main on the server, as far as is known: ids by the names of the refs. */
  known(): ReadonlyMap<string, string> {
    return this.#state.own.remote;
  }

  /** Something happened: does what follows from it, and returns that as well. */
  tell(event: ClaimsEvent): readonly ClaimsEffect[] {
    const { state, effects } = reduceClaims(this.#state, event, this.#facts());
    this.#state = state;
    for (const effect of effects) this.#generations.perform(effect);
    // `woke` comes from the loop that pushes, which need not wake itself.
    if (event.type !== 'woke') this.#notifier.ring();
    return effects;
  }

  /** A fetch has brought claims: reads them. */
  async fetched(): Promise<void> {
    const { clone, reader } = this.#context;
    const { models } = this.#state.having;
    const refs = await readSideRefs(clone, reader, REMOTE_PREFIX, models).catch(() => null);
    if (refs !== null) this.tell({ type: 'fetched', refs });
  }

  /** Which free tasks to start: at most `room`, `ahead` and, of the cancelled ones, `cancelled`. */
  choose(choosing: Omit<Extract<ClaimsEvent, { type: 'choosing' }>, 'type'>): StartTask[] {
    return this.tell({ type: 'choosing', ...choosing }).filter((effect) => effect.do === 'start');
  }

  /** Whether no other agent is known to be there. */
  isAlone(): boolean {
    return this.#state.others.present.length === 0;
  }

  /** Whether nobody else is known to have tasks here either. */
  knowsNobody(): boolean {
    return this.isAlone() && this.#state.others.claims.size === 0;
  }

  /** How long until a task that is left to others may have become ours; Infinity: none is. Milliseconds. */
  wakeInMs(): number {
    return Math.max(lookAgainMs(this.#state, this.#facts()) - performance.now(), 0);
  }

  /** Whether a task is left to agents that have its model, which this one has not. */
  isLeft(task: string): boolean {
    return this.#state.leftTo.has(task);
  }

  /** Who has which model, another object each time that it changed; null where no task is left to others. */
  knowledge(): ModelKnowledge | null {
    const { having, isOff } = this.#state;
    return !isOff && knowsOthers(having, this.#context.session.name) ? having : null;
  }

  /** True while this agent waits for a better-placed agent to take a task. */
  isHoldingOff(): boolean {
    return this.#state.isHoldingOff;
  }

  /**
   * The model of a task was not found here: asks our model servers again, and looks at what the others have.
   */
  async lookElsewhere(wanted: WantedModel): Promise<Elsewhere> {
    await this.#pusher.refreshOffer();
    const { having, isOff } = this.#state;
    const { name } = this.#context.session;
    if (isOff) return { leaveTo: [], offered: null };
    return { leaveTo: leftTo(wanted, having, name), offered: elsewhere(having, name) };
  }

  /** A generation begins. Returns false where it should not, because another agent has the task. */
  async begin(task: string, claimFirst: boolean, generation: Generating): Promise<boolean> {
    if (!this.isActive() || this.#stop.signal.aborted) return true;
    const untilDecided = this.#generations.begin(task, generation);
    this.tell({ type: 'began', task, claimFirst });
    return !claimFirst || this.#state.own.held.has(task) || untilDecided();
  }

  /** The model says something for this task. Called for every token. */
  said(task: string): void {
    if (this.#state.work.get(task)?.phase === 'loading')
      this.tell({ type: 'phase', task, phase: 'generating' });
  }

  /** A generation has ended, with or without an answer. */
  end(task: string): void {
    this.#generations.end(task);
    this.tell({ type: 'ended', task });
  }

  /** The claims that go together with the answers to these tasks. */
  endsOf(tasks: readonly string[]): RefAt[] {
    return tasks.flatMap((task) => {
      const held = this.#state.own.held.get(task);
      return held === undefined ? [] : [{ ref: claimRef(task), id: held.id }];
    });
  }

  /** These claims are gone. */
  ended(ends: readonly RefAt[]): void {
    this.tell({ type: 'answered', tasks: ends.map(({ ref }) => ref.slice(CLAIMS_PREFIX.length)) });
  }

  /** Stops claiming; until `release` aborts, releases every claim and says `stopped`. Never throws. */
  async close(release: AbortSignal | null): Promise<void> {
    this.#stop.abort();
    if (release === null) this.#cut.abort();
    const late = setTimeout(() => this.#cut.abort(), LAST_WORD_MS);
    await this.#pushing;
    clearTimeout(late);
    if (release === null || !this.isActive()) return;
    const left = await this.#pusher.release(this.#known, release);
    if (left.length === 0) return;
    const ids = left.map(shortId).join(', ');
    this.#context.options.log('info', `not released: ${ids}; others wait until the claims run out`);
  }

  /** The one loop that pushes, one push at a time. */
  async #pushWhenDue(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const effect of this.tell({ type: 'woke' }))
        if (effect.do === 'push')
          this.tell(await this.#pusher.push(effect.changes, this.#known, this.#cut.signal));
      const waitMs = Math.max(0, nextPushMs(this.#state, this.#facts()) - performance.now());
      await this.#notifier.wait(waitMs, this.#stop.signal);
    }
  }

  #facts(): ClaimsFacts {
    return claimsFacts(this.#context);
  }
}

import { type BridgeConnection, connectBridge } from '../../bridge/connection.js';
import { startStopwatch } from '../../bridge/stopwatch.js';
import { writeBlob } from '../../git/commit-file.js';
import { pushSideRefs, type SideRefChange } from '../../git/push.js';
import type { Repository } from '../../git/run-git.js';
import { CLAIMS_PREFIX, claimRef, writeClaim } from '../../protocol/claim.js';
import { type AgentModels, modelsRef, writeModels } from '../../protocol/models.js';
import { PRESENCE_EVERY_MS, presenceRef } from '../../protocol/presence.js';
import type { AgentOptions } from '../agent-options.js';
import type { AgentSession } from '../agent-session.js';
import { isSameOffer, type Offer, readOffer } from '../backends/model-offer.js';
import type { ClaimChange, PushEvent, PushedChange } from './claims-events.js';
import { type ClaimsFacts, leaseOf } from './claims-facts.js';
import { type ClaimsState, FIRST_CLAIMS, NEVER } from './claims-state.js';
import { modelsToSay } from './model-placement.js';
import { ownPresence, type SaidPresence } from './own-presence.js';
import { MAX_CHANGES } from './plan-pushes.js';

/** What pushes of claims need. */
export interface ClaimPushContext {
  readonly options: AgentOptions;
  readonly session: AgentSession;
  readonly connection: BridgeConnection;
  readonly clone: Repository;
}

/** While a task waits for a model server, the offer is asked for again after this time. Milliseconds. */
const AWAY_OFFER_MS = 4_000;

/**
 * Where no model server answers, as while a PC starts, they are asked again after this time. It doubles each
 * time, up to the pace of the presence. Milliseconds.
 */
const FIRST_AGAIN_MS = 1_000;

/**
 * The objects of claims, presences and models need no sync: they are written again each time, so a power cut
 * costs nothing.
 */
const unsynced = (clone: Repository): Repository => ({ ...clone, isDisposable: true });

/** Pushes the claims, the presence and the models of this agent. */
export class ClaimPusher {
  readonly #context: ClaimPushContext;
  readonly #stop: AbortSignal;
  readonly #onOffer: (offer: Offer, isNew: boolean) => void;
  readonly #runningMs = startStopwatch();
  #offer: Offer | null = null;
  #offerAgeMs = startStopwatch();
  #againMs = FIRST_AGAIN_MS;
  #again: NodeJS.Timeout | undefined;

  /**
   * `stop` aborts when no model server is to be asked any more. `onOffer` is called with what the model
   * servers offer; `isNew`: it differs from the offer before.
   */
  constructor(context: ClaimPushContext, stop: AbortSignal, onOffer: (offer: Offer, isNew: boolean) => void) {
    this.#context = context;
    this.#stop = stop;
    this.#onOffer = onOffer;
  }

  /**
   * Asks the model servers what they offer, and hands it on. Never throws for one of them.
   */
  async refreshOffer(): Promise<void> {
    this.#offerAgeMs = startStopwatch();
    const offer = await readOffer(this.#context.options.generate, this.#stop);
    if (this.#stop.aborted) return;
    const isNew = !isSameOffer(this.#offer, offer);
    this.#offer = offer;
    this.#onOffer(offer, isNew);
    this.#askAgainOf(offer);
  }

  #askAgainOf(offer: Offer): void {
    clearTimeout(this.#again);
    if (offer.backends.length > 0) {
      this.#againMs = FIRST_AGAIN_MS;
      return;
    }
    const ask = () => {
      if (!this.#stop.aborted) void this.refreshOffer();
    };
    this.#again = setTimeout(ask, this.#againMs).unref();
    this.#againMs = Math.min(this.#againMs * 2, PRESENCE_EVERY_MS);
  }

  /**
   * Makes one push of these changes and returns its outcome. Never throws: a claim that cannot be made holds
   * up no answer. `known` says what the server has, and which lease it gives.
   */
  async push(due: readonly ClaimChange[], known: Known, signal: AbortSignal): Promise<PushEvent> {
    const { clone, connection } = this.#context;
    const startedAtMs = performance.now();
    try {
      const changes = await this.#write(due, known);
      await connectBridge(connection, signal);
      const outcome = await pushSideRefs({ repo: clone, url: connection.address.url, signal }, changes);
      if (outcome.status === 'pushed') return { type: 'pushed', changes, refs: outcome.refs, startedAtMs };
      return { type: 'refused', changes, refusal: outcome.refusal, startedAtMs };
    } catch {
      // The loop of the agent tells a person what is wrong with the server. Claims are just tried again.
      return { type: 'failed', changes: due };
    }
  }

  async #write(due: readonly ClaimChange[], known: Known): Promise<PushedChange[]> {
    const { session, clone } = this.#context;
    const changes: PushedChange[] = [];
    // One blob for all claims: it names no task.
    let claim: string | null = null;
    for (const change of due) {
      if (change.kind === 'presence') {
        // Not waited for: a model server that hangs must not hold up the claims of this push.
        if (this.#isOfferOld(known)) void this.refreshOffer();
        const loaded = known.facts().sharesModels ? (this.#offer?.loaded ?? []) : [];
        const to = await this.#writePresence({ ...known.state(), state: 'running', loaded });
        changes.push({ ...change, loaded, ...moved(known, presenceRef(session.name), to) });
      } else if (change.kind === 'models') {
        const own = modelsToSay(known.state().having, session.name);
        if (own === null) continue;
        const at = new Date(session.serverNow()).toISOString();
        const models: AgentModels = { agent: session.name, at, models: [...own] };
        const to = await writeBlob(unsynced(clone), writeModels(models));
        changes.push({ ...change, models, ...moved(known, modelsRef(session.name), to) });
      } else if (change.kind === 'claim') {
        const { self, serverNowMs } = known.facts();
        const until = new Date(serverNowMs + leaseOf(known.facts())).toISOString();
        claim ??= await writeBlob(unsynced(clone), writeClaim({ ...self, until }));
        changes.push({ ...change, ...moved(known, claimRef(change.task), claim) });
      } else {
        changes.push({ ...change, ...moved(known, claimRef(change.task), null) });
      }
    }
    return changes;
  }

  /**
   * Releases every claim but those that go with an answer, and pushes the presence `stopped`. Returns the
   * tasks whose claims stayed. Never throws.
   */
  async release(known: Known, signal: AbortSignal): Promise<readonly string[]> {
    const { session, clone, connection } = this.#context;
    const to = { repo: clone, url: connection.address.url, signal };
    const { own, presentSinceMs } = known.state();
    const held = [...own.held].filter(([task]) => !session.unpushed.has(task));
    const left = new Set(held.map(([task]) => task));
    const changes = held.map(
      ([task, { id }]): SideRefChange => ({ ref: claimRef(task), to: null, from: id }),
    );
    try {
      if (known.facts().saysPresence && presentSinceMs !== NEVER) {
        const word = await this.#writePresence({ ...FIRST_CLAIMS, state: 'stopped', loaded: [] });
        changes.push(moved(known, presenceRef(session.name), word));
      }
      for (let at = 0; at < changes.length; at += MAX_CHANGES) {
        const outcome = await pushSideRefs(to, changes.slice(at, at + MAX_CHANGES));
        if (outcome.status === 'refused') break;
        for (const ref of outcome.refs) left.delete(ref.slice(CLAIMS_PREFIX.length));
      }
    } catch {
      // What stayed runs out by itself.
    }
    return [...left];
  }

  /**
   * While a task waits for a model server, the offer is old sooner: that server may have gone just now, or
   * be back.
   */
  #isOfferOld(known: Known): boolean {
    const isAnyAway = [...known.state().work.values()].some(({ phase }) => phase === 'waiting');
    return this.#offerAgeMs() > (isAnyAway ? AWAY_OFFER_MS : PRESENCE_EVERY_MS / 2);
  }

  #writePresence(said: Omit<SaidPresence, 'offer' | 'runningMs'>): Promise<string> {
    const whole = { ...said, offer: this.#offer, runningMs: this.#runningMs() };
    return writeBlob(unsynced(this.#context.clone), ownPresence(this.#context, whole));
  }
}

/** What is known while a push is made; it may change meanwhile. */
export interface Known {
  readonly state: () => ClaimsState;
  readonly facts: () => ClaimsFacts;
}

function moved(known: Known, ref: string, to: string | null): SideRefChange {
  return { ref, to, from: known.state().own.remote.get(ref) ?? null };
}

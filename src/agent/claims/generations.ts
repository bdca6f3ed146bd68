import { setTimeout as sleep } from 'node:timers/promises';
import type { Due } from '../agent-session.js';
import type { ClaimPushContext } from './claim-pusher.js';
import type { ClaimsEffect } from './claims-events.js';

/**
 * A generation waits no longer than this for its claim, because the server may be away for hours. A push
 * that fails says so at once, and ssh gives up a dead network after 40 s. A server that takes nearly as long
 * has too much to do, and to go on without claims would double its work. Milliseconds.
 */
const CLAIM_FIRST_WAIT_MS = 45_000;

/** A generation, as far as its claim is concerned. */
export interface Generating {
  /** Aborts when the generation has to end. */
  readonly signal: AbortSignal;
  /** Ends it, and says why. */
  drop(why: string): void;
}

/** What effects act on, besides the generations. */
export interface EffectsContext extends Pick<ClaimPushContext, 'session' | 'options'> {
  /** Has the loop ask the server, soon. */
  readonly ask: (what: Due) => void;
  /** Asks the model servers what they offer. */
  readonly readOffer: () => void;
}

/** The generations of this agent: they wait for their claims, and end where another has the task. */
export class Generations {
  readonly #context: EffectsContext;
  readonly #all = new Map<string, { drop(why: string): void; decide(isOurs: boolean): void }>();

  constructor(context: EffectsContext) {
    this.#context = context;
  }

  /**
   * A generation begins. Returns a function that waits until it is known whether the task is ours. When the
   * generation is to end, and after CLAIM_FIRST_WAIT_MS, it resolves to true.
   */
  begin(task: string, generation: Generating): () => Promise<boolean> {
    const decided = new Promise<boolean>((decide) => {
      this.#all.set(task, { drop: (why) => generation.drop(why), decide });
    });
    return async () => {
      const enough = new AbortController();
      const either = AbortSignal.any([generation.signal, enough.signal]);
      const late = sleep(CLAIM_FIRST_WAIT_MS, true, { signal: either }).catch(() => true);
      try {
        return await Promise.race([decided, late]);
      } finally {
        enough.abort();
      }
    };
  }

  /** The generation has ended, with or without an answer. */
  end(task: string): void {
    this.#all.delete(task);
  }

  /** Does one of the effects of an event. */
  perform(effect: ClaimsEffect): void {
    const { session, options, ask, readOffer } = this.#context;
    switch (effect.do) {
      case 'ask':
        ask(effect.what);
        break;
      case 'go-on':
        this.#all.get(effect.task)?.decide(true);
        break;
      case 'leave':
        this.#all.get(effect.task)?.decide(false);
        this.#all.get(effect.task)?.drop(effect.why);
        break;
      case 'settle':
        session.settle(effect.task);
        break;
      case 'read-offer':
        readOffer();
        break;
      case 'forget-terms':
        session.forgetTerms();
        break;
      case 'log':
        options.log(effect.level, effect.text);
        break;
      // The method that told of the event does these.
      case 'start':
      case 'push':
        break;
    }
  }
}

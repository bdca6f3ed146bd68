import type { WorkPhase } from '../agent-options.js';
import { type ModelKnowledge, NO_MODELS } from './model-placement.js';
import { NOBODY, type Others } from './others.js';
import { NO_CLAIMS, type OwnClaims } from './own-claims.js';

/** Who works on what, as far as this agent knows. Times are of a clock that never jumps, in milliseconds. */
export interface ClaimsState {
  readonly own: OwnClaims;
  readonly others: Others;
  /** Who has which model. */
  readonly having: ModelKnowledge;
  /**
   * The pending tasks that are left to others because those have the model, and to whom. Each is logged
   * once.
   */
  readonly leftTo: ReadonlyMap<string, string>;
  /** When the server was last asked. */
  readonly askedAtMs: number;
  /**
   * When the fetch or look began that our knowledge comes from: what others had claimed by then is known.
   */
  readonly knownAtMs: number;
  /** Since when each of the tasks that could be started has been one, as far as is known here. */
  readonly firstSeenMs: ReadonlyMap<string, number>;
  /** Tasks that were first seen by then were there before this agent. */
  readonly foundAtMs: number;
  /** When a task that is left to another agent may have become ours. */
  readonly lookAgainAtMs: number;
  /** True while this agent waits for a better-placed agent to take a task. */
  readonly isHoldingOff: boolean;
  /** A push was refused for good: the bridge takes no claims. */
  readonly isOff: boolean;
  /** No push is made before this time. */
  readonly retryAtMs: number;
  /** Pushes in a row that did not get through. */
  readonly failures: number;
  /** How long a push takes here, on average. */
  readonly pushTakesMs: number;
  /** When this agent says again that it is there. */
  readonly presenceDueMs: number;
  /** Since when others can see this agent's presence; NEVER before its first push got through. */
  readonly presentSinceMs: number;
  /** When the presence was last pushed. */
  readonly presenceAtMs: number;
  /**
   * The phase and the model of each task that is generated now, and since when it is, by the server's clock.
   */
  readonly work: ReadonlyMap<string, OwnWork>;
  /** The first task that waits while the models are busy for other bridges, and since when; null: none. */
  readonly queued: { readonly task: string; readonly sinceMs: number } | null;
  /** Whether a person was told that another agent has our name. */
  readonly isTwinTold: boolean;
}

/** How far a task is. */
export interface OwnWork {
  readonly phase: WorkPhase;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly sinceMs: number;
  readonly model: string | undefined;
}

/** The time of something that never happens. */
export const NEVER = Number.POSITIVE_INFINITY;

/** An agent that has just started. */
export const FIRST_CLAIMS: ClaimsState = {
  own: NO_CLAIMS,
  others: NOBODY,
  having: NO_MODELS,
  leftTo: new Map(),
  askedAtMs: -NEVER,
  knownAtMs: -NEVER,
  firstSeenMs: new Map(),
  foundAtMs: NEVER,
  lookAgainAtMs: NEVER,
  isHoldingOff: false,
  isOff: false,
  retryAtMs: 0,
  failures: 0,
  pushTakesMs: 0,
  presenceDueMs: NEVER,
  presentSinceMs: NEVER,
  presenceAtMs: -NEVER,
  work: new Map(),
  queued: null,
  isTwinTold: false,
};

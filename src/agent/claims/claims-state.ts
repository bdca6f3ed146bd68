import type { SideRefs } from '../../bridge/side-refs.js';
import type { WantedModel } from '../../bridge/wanted-model.js';
import type { SideRefChange } from '../../git/push.js';
import { type Claim, DEFAULT_CLAIM_LEASE_MS } from '../../protocol/claim.js';
import type { AgentModels } from '../../protocol/models.js';
import type { Refusal } from '../../protocol/refusal.js';
import type { WorkPhase } from '../agent-options.js';
import type { Due } from '../agent-session.js';
import type { Offer } from '../backends/model-offer.js';
import { type ModelKnowledge, NO_MODELS } from './model-standing.js';
import { NOBODY, type Others } from './others.js';
import { NO_CLAIMS, type OwnClaims } from './own-claims.js';

/** Who works on what, as far as this agent knows. Times are of a clock that never jumps, in milliseconds. */
export interface ClaimsState {
  readonly own: OwnClaims;
  readonly others: Others;
  /** Who has which model. */
  readonly having: ModelKnowledge;
  /** The pending tasks that are left to others, which have their model, and to whom; told once each. */
  readonly leftTo: ReadonlyMap<string, string>;
  /** When the server was last asked. */
  readonly askedAtMs: number;
  /** When it was asked what we know the answer to: what others had claimed by then is known. */
  readonly knownAtMs: number;
  /** When each of the tasks that could be started was first seen. */
  readonly firstSeenMs: ReadonlyMap<string, number>;
  /** Tasks that were seen by then were there before us. */
  readonly foundAtMs: number;
  /** When a task that is left to another agent may have become ours. */
  readonly lookAgainAtMs: number;
  /** True while this agent waits for a better-placed agent to take a task. */
  readonly isHoldingOff: boolean;
  /** A push was refused for good: the bridge takes no claims. */
  readonly isOff: boolean;
  /** No push before that. */
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
  /** What the tasks that are generated now are at, since when by the server's clock, and with which model. */
  readonly work: ReadonlyMap<string, OwnWork>;
  /** That another agent has our name is said once. */
  readonly isTwinTold: boolean;
}

/** What a task is at. */
export interface OwnWork {
  readonly phase: WorkPhase;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly sinceMs: number;
  readonly model: string | undefined;
}

/** The time of what does not come. */
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
  isTwinTold: false,
};

/** What holds at the moment of an event and is not for claims to decide. */
export interface ClaimsFacts {
  readonly nowMs: number;
  /** By the server's clock, milliseconds since the epoch. */
  readonly serverNowMs: number;
  readonly self: Pick<Claim, 'agent' | 'session'>;
  /** Null where the bridge takes no claims, and while its terms are not known. */
  readonly leaseMs: number | null;
  /** Main was fetched once. */
  readonly isConnected: boolean;
  /** This agent says that it is there. */
  readonly saysPresence: boolean;
  /** This agent is a standby: what it may take now it takes, behind everybody else. */
  readonly isStandby: boolean;
  /** The server takes what agents have. */
  readonly sharesModels: boolean;
  readonly isPending: (task: string) => boolean;
  /** The answer to this task waits to be pushed. */
  readonly isFinished: (task: string) => boolean;
  /** Random, from 0 to 1. */
  readonly jitter: number;
}

/**
 * A ref to push: a claim that is made or renewed, one that ends, the word that this agent is there, or what
 * it has.
 */
export type ClaimChange = Readonly<
  { kind: 'claim' | 'end'; task: string } | { kind: 'presence' } | { kind: 'models' }
>;

/** The same, as it was pushed: of a presence with the models in memory that it told, of models with them. */
export type PushedChange = ClaimChange &
  SideRefChange & { readonly loaded?: readonly string[]; readonly models?: AgentModels };

/** What happened. */
export type ClaimsEvent = Readonly<
  /** The loop asks the server. */
  | { type: 'asked' }
  /** It has answered that nothing changed. */
  | { type: 'unchanged' }
  /** It has answered with what lies beside main. */
  | { type: 'fetched'; refs: SideRefs }
  /** There is room for so many more tasks, and for all that take none. */
  | {
      type: 'choosing';
      free: readonly string[];
      room: number;
      /** How many more may be claimed before there is room for them. */
      ahead: number;
      takesNoRoom: (task: string) => boolean;
      /** The model that has to answer a task; null: any. */
      wants: (task: string) => WantedModel | null;
    }
  /** A generation begins. `claimFirst`: no model is asked before the claim is ours. */
  | { type: 'began'; task: string; claimFirst: boolean }
  /** It has come so far; the model is told once it is chosen. */
  | { type: 'phase'; task: string; phase: WorkPhase; model?: string | undefined }
  /** The model is done with it, and the answer is about to be kept. */
  | { type: 'generated'; task: string }
  /** It is over, whatever came of it. */
  | { type: 'ended'; task: string }
  /** The claims of these tasks went with their answers, or are gone already. */
  | { type: 'answered'; tasks: readonly string[] }
  /** It is known what the model servers offer: this agent can say that it is there. */
  | { type: 'ready'; offer: Offer }
  /** It is known better which of their models are in memory, and nothing else. */
  | { type: 'loaded'; offer: Offer }
  /** It may be time for a push. */
  | { type: 'woke' }
  | PushEvent
>;

/** What came of a push. `pushed`: these refs were moved, and the others were not as we knew them. */
export type PushEvent = Readonly<
  | { type: 'pushed'; changes: readonly PushedChange[]; refs: ReadonlySet<string>; startedAtMs: number }
  | { type: 'refused'; changes: readonly ClaimChange[]; refusal: Refusal; startedAtMs: number }
  | { type: 'failed'; changes: readonly ClaimChange[] }
>;

/** What is to be done. */
export type ClaimsEffect = Readonly<
  | StartTask
  | { do: 'push'; changes: readonly ClaimChange[] }
  /** Have the loop ask the server. */
  | { do: 'ask'; what: Due }
  /** A generation that waits for its claim need not wait any longer. */
  | { do: 'go-on'; task: string }
  /** End a generation, or do not begin it. */
  | { do: 'leave'; task: string; why: string }
  /** The server takes no answer to this task any more. */
  | { do: 'settle'; task: string }
  /** Ask the model servers what they offer: one is there that was away. */
  | { do: 'read-offer' }
  /** The clocks drifted apart: ask the server for its terms again. */
  | { do: 'forget-terms' }
  | { do: 'log'; level: 'info' | 'warn'; text: string }
>;

/**
 * `claimFirst`: ask no model before the claim is ours, because another may be about to take the task.
 * `isAhead`: nor before there is room for it.
 */
export type StartTask = Readonly<{ do: 'start'; task: string; claimFirst: boolean; isAhead?: boolean }>;

/** The state after an event, and what is to be done because of it. */
export interface ClaimsStep {
  readonly state: ClaimsState;
  readonly effects: readonly ClaimsEffect[];
}

/** Whether the bridge takes claims, as far as is known. */
export function isClaiming(state: ClaimsState, facts: ClaimsFacts): boolean {
  return !state.isOff && facts.leaseMs !== null;
}

/** The lease of a new claim; the default while the terms are asked for again. Milliseconds. */
export function leaseOf(facts: ClaimsFacts): number {
  return facts.leaseMs ?? DEFAULT_CLAIM_LEASE_MS;
}

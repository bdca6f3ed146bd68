import type { SideRefs } from '../../bridge/side-refs.js';
import type { WantedModel } from '../../bridge/wanted-model.js';
import type { SideRefChange } from '../../git/push.js';
import type { AgentModels } from '../../protocol/models.js';
import type { Refusal } from '../../protocol/refusal.js';
import type { WorkPhase } from '../agent-options.js';
import type { Due } from '../agent-session.js';
import type { Offer } from '../backends/model-offer.js';
import type { ClaimsState } from './claims-state.js';

/**
 * A ref to push: a claim that is made or renewed, one that ends, the presence of this agent, or the list of
 * its models.
 */
export type ClaimChange = Readonly<
  { kind: 'claim' | 'end'; task: string } | { kind: 'presence' } | { kind: 'models' }
>;

/**
 * The same, as it was pushed. A presence comes with the models in memory that it named, a list of models
 * with its content.
 */
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
  /** There is room for `room` more tasks, and for `cancelled` more of those that are cancelled. */
  | {
      type: 'choosing';
      free: readonly string[];
      /** The tasks to be left to agents that have their model; null: as the last time. */
      left: readonly string[] | null;
      room: number;
      /** How many more may be claimed before there is room for them. */
      ahead: number;
      cancelled: number;
      isCancelled: (task: string) => boolean;
      /** The model that has to answer a task; null: any. */
      wants: (task: string) => WantedModel | null;
      /** When a task was first seen pending. */
      seenMs: (task: string) => number;
    }
  /** A generation begins. `claimFirst`: no model is asked before the claim is ours. */
  | { type: 'began'; task: string; claimFirst: boolean }
  /** It has reached this phase. `model` is there once it is chosen. */
  | { type: 'phase'; task: string; phase: WorkPhase; model?: string | undefined }
  /** The model is done with it, and the answer is about to be kept. */
  | { type: 'generated'; task: string }
  /** The generation is over, with or without an answer. */
  | { type: 'ended'; task: string }
  /** The first task that waits here while the models are busy for other bridges; null: none does. */
  | { type: 'queued'; task: string | null }
  /** The claims of these tasks went with their answers, or are gone already. */
  | { type: 'answered'; tasks: readonly string[] }
  /** It is known what the model servers offer: this agent can say that it is there. */
  | { type: 'ready'; offer: Offer }
  /** The model servers offer the same as before; other models may be in memory. */
  | { type: 'loaded'; offer: Offer }
  /** The loop that pushes has woken: it may be time for a push. */
  | { type: 'woke' }
  | PushEvent
>;

/**
 * The outcome of a push. `pushed`: these refs were moved, and the others were not at the values that we
 * knew.
 */
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
  /** Ask the model servers what they offer, because one is back that was away. */
  | { do: 'read-offer' }
  /** The clocks drifted apart: ask the server for its terms again. */
  | { do: 'forget-terms' }
  | { do: 'log'; level: 'info' | 'warn'; text: string }
>;

/**
 * `claimFirst`: ask no model before the claim is ours, because another agent may be about to take the task.
 * `isAhead`: wait for room as well.
 */
export type StartTask = Readonly<{ do: 'start'; task: string; claimFirst: boolean; isAhead?: boolean }>;

/** The state after an event, and what is to be done because of it. */
export interface ClaimsStep {
  readonly state: ClaimsState;
  readonly effects: readonly ClaimsEffect[];
}

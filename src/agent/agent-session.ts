import type { Repository } from '../git/run-git.js';
import type { QueueState } from '../protocol/pending.js';
import type { BridgeDoor, BridgeTerms } from '../remote/bridge-door.js';
import type { CloneTender } from '../remote/tend-clone.js';
import type { AgentOptions } from './agent-options.js';
import type { Claims } from './claims/claims.js';
import type { ClockWatch } from './clock-jump.js';
import type { CloneReader } from './clone-reader.js';
import type { Deepening } from './conversation/deepening.js';
import type { FinishedAnswer } from './finished-answers.js';
import type { PriorityOrder } from './order-by-priority.js';
import type { QueueView } from './queue-view.js';

/** What a running agent knows. The network side of it changes in `synchronise` only. */
export interface AgentSession extends SessionCore {
  /** Who works on what. */
  readonly claims: Claims;
}

/** The part of it that claims are made from. */
export interface SessionCore {
  readonly options: AgentOptions;
  readonly door: BridgeDoor;
  readonly clone: Repository;
  readonly reader: CloneReader;
  /** Made anew with the clone. */
  view: QueueView;
  readonly priority: PriorityOrder;
  readonly clock: ClockWatch;
  /** Brings older history for conversations. */
  readonly deepening: Deepening;
  /** Tells this agent from others with the same key. */
  readonly id: string;
  /** How long it has been running. Milliseconds. */
  readonly runningMs: () => number;
  /** Keeps the clone small. */
  readonly tender: CloneTender;
  /** Null until the bridge was reached, and after anything that may have changed it. */
  terms: BridgeTerms | null;
  /**
   * The server's clock as it was last heard of, also while the terms are asked for again; until then, this machine's. To be called where a time
   * is needed, and not to be kept.
   */
  serverNow: () => number;
  /** The name answers are given in. */
  name: string;
  queue: QueueState | null;
  /** The tip of main that `queue` is of. */
  tip: string | null;
  finished: FinishedAnswer[];
  /** Tasks the server will have no answer to; not to be started again. */
  readonly settled: Set<string>;
  /** Whether a fetch is due, whatever the doorbell says. */
  fetchDue: boolean;
  /** What the doorbell said last that main is; null where it has said nothing since the last fetch. */
  rungTip: string | null;
}

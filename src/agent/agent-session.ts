import type { CloneMaintenance } from '../bridge/clone-maintenance.js';
import type { BridgeConnection, BridgeTerms } from '../bridge/connection.js';
import type { Repository } from '../git/run-git.js';
import type { QueueState } from '../protocol/queue.js';
import type { AgentOptions } from './agent-options.js';
import type { Claims } from './claims/claims.js';
import type { ClockWatch } from './clock-jump.js';
import type { Deepening } from './clone/deepening.js';
import type { FinishedAnswer } from './clone/finished-answers.js';
import type { CloneReader } from './clone/own-clone.js';
import type { PriorityOrder, QueueView } from './queue/queue-view.js';

/** `fetch`: there is something new, or may well be. `look`: nothing says so, and asking for the server's refs tells. */
export type Due = 'fetch' | 'look';

/** What a running agent knows. The network side of it changes in `synchronise` only. */
export interface AgentSession extends SessionCore {
  /** Who works on what. */
  readonly claims: Claims;
}

/** The part of it that claims are made from. */
export interface SessionCore {
  readonly options: AgentOptions;
  readonly connection: BridgeConnection;
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
  readonly maintenance: CloneMaintenance;
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
  /** What the server is to be asked, whatever the doorbell says; null where it is for the doorbell to tell. */
  due: Due | null;
  /** What the doorbell said last that main is; null where it has said nothing since the last fetch. */
  rungTip: string | null;
}

/** Has the loop ask the server the next time; a fetch that is due already is not made less. */
export function setDue(session: Pick<SessionCore, 'due'>, due: Due): void {
  if (session.due !== 'fetch') session.due = due;
}

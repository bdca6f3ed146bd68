import { type Claim, DEFAULT_CLAIM_LEASE_MS } from '../../protocol/claim.js';
import type { AgentOptions } from '../agent-options.js';
import type { AgentSession } from '../agent-session.js';
import type { ClaimsState } from './claims-state.js';

/** What holds at the moment of an event, decided outside of claims. */
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
  /**
   * This agent is a standby: it comes after everybody else, so a task that it may take now need not wait for
   * others.
   */
  readonly isStandby: boolean;
  /** The server takes lists of the agents' models. */
  readonly sharesModels: boolean;
  readonly isPending: (task: string) => boolean;
  /** The answer to this task waits to be pushed. */
  readonly isFinished: (task: string) => boolean;
  /** Random, from 0 to 1. */
  readonly jitter: number;
}

/** What holds for this agent now. */
export function claimsFacts({
  session,
  options,
}: {
  readonly session: AgentSession;
  readonly options: AgentOptions;
}): ClaimsFacts {
  return {
    nowMs: performance.now(),
    serverNowMs: session.serverNow(),
    self: { agent: session.name, session: session.id },
    leaseMs: session.terms?.claimLeaseMs ?? null,
    isConnected: session.tip !== null,
    // An older server cannot tell that an agent is a standby: others would count on it.
    saysPresence: !options.once && (options.afterMs === null || (session.terms?.hasStandby ?? false)),
    isStandby: options.afterMs !== null,
    sharesModels: session.terms?.hasModels ?? false,
    isPending: (task) => session.isPending(task),
    isFinished: (task) => session.unpushed.has(task),
    jitter: Math.random(),
  };
}

/** Whether the bridge takes claims, as far as is known. */
export function isClaiming(state: ClaimsState, facts: ClaimsFacts): boolean {
  return !state.isOff && facts.leaseMs !== null;
}

/** The lease of a new claim; the default while the terms are asked for again. Milliseconds. */
export function leaseOf(facts: ClaimsFacts): number {
  return facts.leaseMs ?? DEFAULT_CLAIM_LEASE_MS;
}

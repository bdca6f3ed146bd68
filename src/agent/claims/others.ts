import type { SideRefs } from '../../bridge/side-refs.js';
import { type Claim, MAX_CLAIM_LEASE_MS, sameHolder } from '../../protocol/claim.js';
import { isExpected, type Presence } from '../../protocol/presence.js';

/** What this agent knows of the others. Times are of a clock that never jumps, in milliseconds. */
export interface Others {
  /** The claims of others by task, over or not. */
  readonly claims: ReadonlyMap<string, ForeignClaim>;
  /** What the others said of themselves last. */
  readonly presences: readonly Presence[];
  /** Those of them that can be expected to take tasks. */
  readonly present: readonly Presence[];
}

/** A claim of another agent, as we last saw it. */
export interface ForeignClaim {
  readonly id: string;
  readonly claim: Claim;
  /** When its holder was first seen with the task. */
  readonly sinceMs: number;
  /** When it is over unless it is renewed. */
  readonly overAtMs: number;
}

/**
 * An agent that has had a task for this long counts as busy: it will not be done in a moment. Milliseconds.
 */
const BUSY_AFTER_MS = 5_000;

/** Before the first fetch. */
export const NOBODY: Others = { claims: new Map(), presences: [], present: [] };

/** After a fetch. `self` tells this agent from all others. */
export function othersAfterFetch(
  others: Others,
  refs: SideRefs,
  at: {
    readonly self: Pick<Claim, 'agent' | 'session'>;
    readonly nowMs: number;
    readonly serverNowMs: number;
  },
): Others {
  const { self, nowMs, serverNowMs } = at;
  const claims = new Map<string, ForeignClaim>();
  for (const [task, { id, claim }] of refs.claims) {
    if (claim === null || sameHolder(claim, self)) continue;
    const known = others.claims.get(task);
    if (known?.id === id) {
      claims.set(task, known);
      continue;
    }
    // However wrong our clock is, no lease is longer than this.
    const leftMs = Math.min(Math.max(Date.parse(claim.until) - serverNowMs, 0), MAX_CLAIM_LEASE_MS);
    const sinceMs = known !== undefined && sameHolder(known.claim, claim) ? known.sinceMs : nowMs;
    claims.set(task, { id, claim, sinceMs, overAtMs: nowMs + leftMs });
  }
  const presences = [...refs.agents.values()].flatMap(({ presence }) =>
    presence === null || presence.session === self.session ? [] : [presence],
  );
  return othersUnchanged({ claims, presences, present: [] }, serverNowMs);
}

/** Nothing has changed on the server: an agent that has been silent for too long by now is gone. */
export function othersUnchanged(others: Others, serverNowMs: number): Others {
  return { ...others, present: others.presences.filter((one) => isExpected(one, serverNowMs)) };
}

/** The server says that a claim is not over yet, because our clock is ahead of it. */
export function othersPostponed(others: Others, task: string, untilMs: number): Others {
  const held = others.claims.get(task);
  if (held === undefined || held.overAtMs >= untilMs) return others;
  return { ...others, claims: new Map(others.claims).set(task, { ...held, overAtMs: untilMs }) };
}

/**
 * The claim that keeps us from a task; null where there is none. A claim whose time is over keeps us from it
 * until a fetch that began later has shown that it was not renewed: a renewal does not ring the doorbell.
 */
export function holderOf(
  others: Others,
  task: string,
  clock: { readonly nowMs: number; readonly knownAtMs: number },
): ForeignClaim | null {
  const held = others.claims.get(task);
  if (held === undefined) return null;
  return clock.nowMs >= held.overAtMs && clock.knownAtMs >= held.overAtMs ? null : held;
}

/** Whether there is any other agent, as far as is known. */
export function isAnyoneThere(others: Others, nowMs: number): boolean {
  return others.present.length > 0 || [...others.claims.values()].some((one) => one.overAtMs > nowMs);
}

/** The others that have had no room for some time, so nobody waits for them. */
export function busyAgents(others: Others, nowMs: number): ReadonlySet<string> {
  const count = new Map<string, number>();
  for (const { claim, sinceMs, overAtMs } of others.claims.values()) {
    if (overAtMs <= nowMs || nowMs - sinceMs < BUSY_AFTER_MS) continue;
    const key = agentKey(claim);
    count.set(key, (count.get(key) ?? 0) + 1);
  }
  const isFull = (one: Presence) => (count.get(agentKey(one)) ?? 0) >= one.parallel;
  return new Set(others.present.filter(isFull).map(agentKey));
}

/** What tells one agent from all others, also from one with the same key. */
export function agentKey(agent: Pick<Claim, 'agent' | 'session'>): string {
  return `${agent.agent}/${agent.session}`;
}

import type { SideRefs } from '../../bridge/side-refs.js';
import { type Claim, MAX_CLAIM_LEASE_MS, sameHolder } from '../../protocol/claim.js';
import { isPresent, type Presence } from '../../protocol/presence.js';

/** A claim of somebody else, as this agent last saw it. */
export interface ForeignClaim {
  readonly id: string;
  readonly claim: Claim;
  /** When its holder was first seen to have the task. */
  readonly sinceMs: number;
  /** When it is over unless it is renewed, by a clock that never jumps. Milliseconds. */
  readonly overAtMs: number;
}

/** An agent that has had a task for so long will not be done with it in a moment. Milliseconds. */
const BUSY_AFTER_MS = 5_000;

/** What an agent knows of the others. */
export interface Others {
  /** Takes in what a fetch brought. */
  see(refs: SideRefs, clock: { readonly nowMs: number; readonly serverNowMs: number }): void;
  /** Nothing has changed since: who has been silent for too long by now is not there any more. */
  seeNothingNew(serverNowMs: number): void;
  /**
   * The claim that keeps us from a task. One whose time is over still does, until a fetch that began later has shown that it was not
   * renewed: renewals ring no bell.
   */
  holderOf(task: string, clock: { readonly nowMs: number; readonly knownAtMs: number }): ForeignClaim | null;
  /** The server says that a claim is not over yet: our clock is ahead of it. */
  postpone(task: string, untilMs: number): void;
  /** The tasks that others have claims on, over or not. */
  claimed(): IterableIterator<[string, ForeignClaim]>;
  /** Whether there is anybody else at all. */
  any(nowMs: number): boolean;
  /** Those that are there. */
  present(): readonly string[];
  /** Those of them that have no room, and had none for some time: their answers take longer than our knowledge of them. */
  busy(nowMs: number): ReadonlySet<string>;
}

/** Starts with knowing nobody. `self` tells this agent from all others. */
export function createOthers(self: Pick<Claim, 'agent' | 'session'>): Others {
  const claims = new Map<string, ForeignClaim>();
  let presences: readonly Presence[] = [];
  let present: readonly Presence[] = [];
  const seeNothingNew = (serverNowMs: number) => {
    present = presences.filter((one) => isPresent(one, serverNowMs));
  };

  return {
    see(refs, { nowMs, serverNowMs }) {
      for (const task of claims.keys()) if (!refs.claims.has(task)) claims.delete(task);
      for (const [task, { id, claim }] of refs.claims) {
        if (claim === null || sameHolder(claim, self)) {
          claims.delete(task);
          continue;
        }
        const known = claims.get(task);
        if (known?.id === id) continue;
        // However wrong our clock is, no lease is longer than this.
        const leftMs = Math.min(Math.max(Date.parse(claim.until) - serverNowMs, 0), MAX_CLAIM_LEASE_MS);
        const sinceMs = known !== undefined && sameHolder(known.claim, claim) ? known.sinceMs : nowMs;
        claims.set(task, { id, claim, sinceMs, overAtMs: nowMs + leftMs });
      }
      presences = [...refs.agents.values()].flatMap(({ presence }) =>
        presence === null || presence.session === self.session ? [] : [presence],
      );
      seeNothingNew(serverNowMs);
    },
    seeNothingNew,
    holderOf(task, { nowMs, knownAtMs }) {
      const held = claims.get(task);
      if (held === undefined) return null;
      return nowMs >= held.overAtMs && knownAtMs >= held.overAtMs ? null : held;
    },
    postpone(task, untilMs) {
      const held = claims.get(task);
      if (held !== undefined && held.overAtMs < untilMs) claims.set(task, { ...held, overAtMs: untilMs });
    },
    claimed: () => claims.entries(),
    any: (nowMs) => present.length > 0 || [...claims.values()].some((one) => one.overAtMs > nowMs),
    present: () => present.map(keyOf),
    busy(nowMs) {
      const count = new Map<string, number>();
      for (const { claim, sinceMs, overAtMs } of claims.values()) {
        if (overAtMs <= nowMs || nowMs - sinceMs < BUSY_AFTER_MS) continue;
        const key = keyOf(claim);
        count.set(key, (count.get(key) ?? 0) + 1);
      }
      return new Set(present.filter((one) => (count.get(keyOf(one)) ?? 0) >= one.parallel).map(keyOf));
    },
  };
}

/** What tells one agent from all others, two with the same key too. */
export function keyOf(agent: Pick<Claim, 'agent' | 'session'>): string {
  return `${agent.agent}/${agent.session}`;
}

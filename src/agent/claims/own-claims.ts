import type { SideRefs } from '../../bridge/side-refs.js';
import { type Claim, claimRef, MAX_CLAIM_LEASE_MS, sameHolder } from '../../protocol/claim.js';
import { modelsRef } from '../../protocol/models.js';
import { AGENTS_PREFIX } from '../../protocol/presence.js';

/** The claims of this agent. Times are of a clock that never jumps, in milliseconds. */
export interface OwnClaims {
  /** The tasks that are generated now, and when each is to be claimed if it has not ended by then. */
  readonly jobs: ReadonlyMap<string, number>;
  /** The tasks whose claim on the server is ours. */
  readonly held: ReadonlyMap<string, HeldClaim>;
  /** What the server was last known to have beside main: ids by the names of the refs. */
  readonly remote: ReadonlyMap<string, string>;
}

/** A claim of ours on the server. */
export interface HeldClaim {
  readonly id: string;
  readonly renewAtMs: number;
  /** A fetch that began before may not have seen it. */
  readonly knownSinceMs: number;
}

/** An agent that has just started. */
export const NO_CLAIMS: OwnClaims = { jobs: new Map(), held: new Map(), remote: new Map() };

/**
 * A claim without a job is released after this time, in which an agent that starts again can take up the
 * tasks of its last run.
 */
const ORPHAN_AFTER_MS = 1_000;

/** A generation begins; it is to be claimed at `claimAtMs`. */
export function withJob(own: OwnClaims, task: string, claimAtMs: number): OwnClaims {
  return { ...own, jobs: new Map(own.jobs).set(task, claimAtMs) };
}

/** The generation is over; its claim stays. */
export function withoutJob(own: OwnClaims, task: string): OwnClaims {
  return { ...own, jobs: without(own.jobs, task) };
}

/** The model is done with this task: if it is not claimed yet, it need not be. */
export function withoutNewClaim(own: OwnClaims, task: string): OwnClaims {
  const isToBeClaimed = own.jobs.has(task) && !own.held.has(task);
  return isToBeClaimed ? withJob(own, task, Number.POSITIVE_INFINITY) : own;
}

/** The server has a claim of ours on this task. */
export function withClaim(own: OwnClaims, task: string, claim: HeldClaim): OwnClaims {
  return { ...own, held: new Map(own.held).set(task, claim) };
}

/** The claim on this task is not ours any more. */
export function withoutClaim(own: OwnClaims, task: string): OwnClaims {
  return { ...own, held: without(own.held, task) };
}

/** The server has this at a ref; null: nothing. */
export function withRemote(own: OwnClaims, ref: string, id: string | null): OwnClaims {
  return { ...own, remote: id === null ? without(own.remote, ref) : new Map(own.remote).set(ref, id) };
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

/**
 * After a fetch that began at `fetchedAtMs`. A claim that is gone there is dropped here. A claim of ours
 * that we did not know of counts as held: a push arrived and we did not hear of it, or an earlier run made
 * it.
 */
export function ownAfterFetch(
  own: OwnClaims,
  refs: SideRefs,
  at: {
    readonly self: Pick<Claim, 'agent' | 'session'>;
    readonly fetchedAtMs: number;
    readonly nowMs: number;
    readonly serverNowMs: number;
  },
): OwnClaims {
  const remote = new Map<string, string>();
  for (const [task, { id }] of refs.claims) remote.set(claimRef(task), id);
  for (const [agent, { id }] of refs.agents) remote.set(`${AGENTS_PREFIX}${agent}`, id);
  for (const [agent, { id }] of refs.models) remote.set(modelsRef(agent), id);
  const held = new Map(own.held);
  for (const [task, { id, knownSinceMs }] of own.held) {
    // Ours is newer than this fetch.
    if (knownSinceMs > at.fetchedAtMs) remote.set(claimRef(task), id);
    else if (remote.get(claimRef(task)) !== id) held.delete(task);
  }
  for (const [task, { id, claim }] of refs.claims) {
    if (claim === null || !sameHolder(claim, at.self) || held.has(task)) continue;
    if (remote.get(claimRef(task)) !== id) continue;
    // After half of what is left: little may be left of the lease, and a fresh one need not be renewed at
    // once.
    const leftMs = Math.min(Math.max(Date.parse(claim.until) - at.serverNowMs, 0), MAX_CLAIM_LEASE_MS);
    held.set(task, { id, renewAtMs: at.nowMs + leftMs / 2, knownSinceMs: at.nowMs });
  }
  return { ...own, held, remote };
}

/**
 * The tasks whose claim is to be pushed by then, because it is new or to be renewed. A task whose answer is
 * finished keeps its claim until the answer is on main: that may take longer than a lease where many push at
 * once, and another agent would generate it again.
 */
export function dueClaims(own: OwnClaims, byMs: number, isFinished: (task: string) => boolean): string[] {
  return dueTimes(own, isFinished).flatMap(([task, atMs]) => (atMs <= byMs ? [task] : []));
}

/** The tasks whose claim is to be released by then: nobody works under it, and no answer waits with it. */
export function orphanedClaims(
  own: OwnClaims,
  byMs: number,
  isFinished: (task: string) => boolean,
): string[] {
  return orphanTimes(own, isFinished).flatMap(([task, atMs]) => (atMs <= byMs ? [task] : []));
}

/** When the next of these is due; Infinity where none is. */
export function nextClaimMs(own: OwnClaims, isFinished: (task: string) => boolean): number {
  const times = [...dueTimes(own, isFinished), ...orphanTimes(own, isFinished)];
  return Math.min(...times.map(([, atMs]) => atMs));
}

type TaskTime = readonly [task: string, atMs: number];

function dueTimes({ jobs, held }: OwnClaims, isFinished: (task: string) => boolean): TaskTime[] {
  const waiting = [...held].filter(([task]) => isFinished(task) && !jobs.has(task));
  return [
    ...[...jobs].map(([task, claimAtMs]): TaskTime => [task, held.get(task)?.renewAtMs ?? claimAtMs]),
    ...waiting.map(([task, { renewAtMs }]): TaskTime => [task, renewAtMs]),
  ];
}

function orphanTimes({ jobs, held }: OwnClaims, isFinished: (task: string) => boolean): TaskTime[] {
  const orphans = [...held].filter(([task]) => !jobs.has(task) && !isFinished(task));
  return orphans.map(([task, { knownSinceMs }]): TaskTime => [task, knownSinceMs + ORPHAN_AFTER_MS]);
}

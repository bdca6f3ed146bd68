import type { SideRefs } from '../../bridge/side-refs.js';
import { type Claim, claimRef, MAX_CLAIM_LEASE_MS, sameHolder } from '../../protocol/claim.js';

/** A generation that has, or is to have, a claim. */
export interface ClaimJob {
  readonly task: string;
  /** When it is to be claimed, unless it has ended by then. */
  readonly claimAtMs: number;
  /** Ends the generation, and tells why. */
  readonly drop: (why: string) => void;
  /** Told once the claim is known to be ours, or to be not needed (true), or another's (false). */
  readonly decided: (isOurs: boolean) => void;
}

/** A claim of ours on the server. Times but `untilMs` are of a clock that never jumps. */
export interface HeldClaim {
  readonly id: string;
  readonly renewAtMs: number;
  /** A fetch that began before may not have seen it. */
  readonly knownSinceMs: number;
}

/** A claim that nobody of ours works under any more is let go after this time: a start picks up what the one before it held. */
const ORPHAN_AFTER_MS = 1_000;

/** The claims of this agent: what is generated, and what of it is held on the server. No I/O. */
export interface OwnClaims {
  readonly jobs: ReadonlyMap<string, ClaimJob>;
  add(job: ClaimJob): void;
  remove(task: string): void;
  held(task: string): HeldClaim | undefined;
  heldTasks(): readonly string[];
  hold(task: string, claim: HeldClaim): void;
  letGo(task: string): void;
  /** Takes in what a fetch that began at `fetchedAtMs` brought: what was renewed by us unknowingly, what is gone, what is another's. */
  see(
    refs: SideRefs,
    clock: { readonly fetchedAtMs: number; readonly nowMs: number; readonly serverNowMs: number },
  ): void;
  /**
   * The tasks whose claim is to be pushed by then: new, or to be renewed. One whose answer is `finished` keeps its claim until that is on main:
   * where many push at once, or the line is slow, that may take longer than a lease, and another would generate it again.
   */
  due(byMs: number, finished: ReadonlySet<string>): readonly string[];
  /** Claims that nobody works under, nor waits with an answer for (`finished`). */
  orphans(byMs: number, finished: ReadonlySet<string>): readonly string[];
  /** When the next of these is due; Infinity where none is. */
  nextDueMs(finished: ReadonlySet<string>): number;
  /** What the server was last known to have at a ref; null for nothing. */
  remote(ref: string): string | null;
  setRemote(ref: string, id: string | null): void;
  /** All of that, by ref. */
  allRemote(): ReadonlyMap<string, string>;
}

/** Starts with none. */
export function createOwnClaims(self: Pick<Claim, 'agent' | 'session'>): OwnClaims {
  const jobs = new Map<string, ClaimJob>();
  const held = new Map<string, HeldClaim>();
  let remote = new Map<string, string>();
  const orphaned = (finished: ReadonlySet<string>) =>
    [...held].filter(([task]) => !jobs.has(task) && !finished.has(task));

  const dueTimes = (finished: ReadonlySet<string>): (readonly [task: string, atMs: number])[] => [
    ...[...jobs.values()].map(
      ({ task, claimAtMs }) => [task, held.get(task)?.renewAtMs ?? claimAtMs] as const,
    ),
    ...[...held].flatMap(([task, { renewAtMs }]) =>
      finished.has(task) && !jobs.has(task) ? [[task, renewAtMs] as const] : [],
    ),
  ];

  return {
    jobs,
    add: (job) => void jobs.set(job.task, job),
    remove: (task) => void jobs.delete(task),
    held: (task) => held.get(task),
    heldTasks: () => [...held.keys()],
    hold: (task, claim) => void held.set(task, claim),
    letGo: (task) => void held.delete(task),
    see(refs, { fetchedAtMs, nowMs, serverNowMs }) {
      const seen = new Map<string, string>();
      for (const [task, { id }] of refs.claims) seen.set(claimRef(task), id);
      for (const [agent, { id }] of refs.agents) seen.set(`refs/bridge/agents/${agent}`, id);
      for (const [task, { id, knownSinceMs }] of held) {
        // Ours is newer than this fetch.
        if (knownSinceMs > fetchedAtMs) seen.set(claimRef(task), id);
        else if (seen.get(claimRef(task)) !== id) held.delete(task);
      }
      remote = seen;
      for (const [task, { id, claim }] of refs.claims) {
        if (claim === null || !sameHolder(claim, self) || held.has(task)) continue;
        if (remote.get(claimRef(task)) !== id) continue;
        // What is left of it may be little; what is not is worth no push at once.
        const leftMs = Math.min(Math.max(Date.parse(claim.until) - serverNowMs, 0), MAX_CLAIM_LEASE_MS);
        held.set(task, { id, renewAtMs: nowMs + leftMs / 2, knownSinceMs: nowMs });
      }
    },
    due: (byMs, finished) =>
      dueTimes(finished)
        .filter(([, atMs]) => atMs <= byMs)
        .map(([task]) => task),
    orphans: (byMs, finished) =>
      orphaned(finished)
        .filter(([, claim]) => claim.knownSinceMs + ORPHAN_AFTER_MS <= byMs)
        .map(([task]) => task),
    nextDueMs: (finished) =>
      Math.min(
        ...dueTimes(finished).map(([, atMs]) => atMs),
        ...orphaned(finished).map(([, claim]) => claim.knownSinceMs + ORPHAN_AFTER_MS),
      ),
    remote: (ref) => remote.get(ref) ?? null,
    setRemote: (ref, id) => void (id === null ? remote.delete(ref) : remote.set(ref, id)),
    allRemote: () => remote,
  };
}

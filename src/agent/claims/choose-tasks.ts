import { createHash } from 'node:crypto';
import type { Placement } from './model-placement.js';

/**
 * How long the agent to which a task falls has to claim it before the next one may: a fetch and a push on a
 * slow line. Where pushes take longer here, this agent waits longer. Milliseconds.
 */
export const HOLD_OFF_MS = 2_000;

/** A task that could be started. */
export interface Candidate {
  readonly id: string;
  /** When this agent first saw it pending. Milliseconds of a clock that never jumps. */
  readonly firstSeenMs: number;
  /** We hold its claim already, so nobody else may have it. */
  readonly ours: boolean;
  /** How well each agent is placed for its model: the lower, the better. Absent: all are alike. */
  readonly placement?: Placement | undefined;
}

/** Who chooses, among whom, and when. */
export interface Choosing {
  /** What tells this agent from all others. */
  readonly self: string;
  /** The others that are there. */
  readonly others: readonly string[];
  /** Those of the others that have been busy for some time: nobody waits for them. */
  readonly busy: ReadonlySet<string>;
  readonly holdOffMs: number;
  readonly nowMs: number;
  /** When the last fetch began: what others had claimed by then is known. */
  readonly knownAtMs: number;
  /** From when on the others can know of this agent: until then they share tasks among themselves alone. */
  readonly noticedAtMs: number;
}

/** What to start, and when to look again because a task that is left to another agent may become ours. */
export interface Choice {
  /**
   * The best first. `isSure`: it falls to us, and nobody else would begin it now. The others may be begun by
   * another at the same moment: they fell to agents that have not taken them in their time, or so long ago
   * that another may think that of us.
   */
  readonly start: readonly { readonly id: string; readonly isSure: boolean }[];
  /** Infinity: there is nothing to wait for. */
  readonly lookAgainAtMs: number;
}

/**
 * Shares tasks out among agents that do not talk to each other: each task falls to the agent for which the
 * hash of agent and task is highest (rendezvous hashing), so that all who know the same agents choose the
 * same one, whatever else each of them knows. The agent whose hash is second may take it `holdOffMs` later,
 * and so on, after a fetch that shows it still unclaimed. An agent that is alone takes tasks in the order of
 * asking. An agent that is placed better for the model of a task comes before any other, whatever its hash.
 * An agent that has just come leaves a task that it saw before the others could know of it: one of them
 * takes it for its own. It takes such a task once they know of it and have left it, at most `holdOffMs`
 * after it saw the task, and at once where all of them are busy.
 */
export function chooseTasks(candidates: readonly Candidate[], choosing: Choosing): Choice {
  const start: { id: string; rank: number; weight: number; isSure: boolean }[] = [];
  const { self, others, busy, holdOffMs, nowMs, knownAtMs, noticedAtMs } = choosing;
  const isAnyFree = others.some((other) => !busy.has(other));
  let lookAgainAtMs = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    // An agent that is alone need not hash: all tasks fall to it.
    const isShared = !candidate.ours && others.length > 0;
    const mine = isShared ? weightOf(self, candidate.id) : 0;
    const { placement } = candidate;
    const isBefore = (other: string) => {
      const ahead = (placement?.own ?? 0) - (placement?.others.get(other) ?? 0);
      return ahead > 0 || (ahead === 0 && weightOf(other, candidate.id) > mine);
    };
    const before = isShared ? others.filter(isBefore) : [];
    const rank = before.filter((other) => !busy.has(other)).length;
    const { firstSeenMs } = candidate;
    const isUnnoticed = isShared && firstSeenMs < noticedAtMs;
    const noticedMs = isUnnoticed && isAnyFree ? Math.min(noticedAtMs, firstSeenMs + holdOffMs) : firstSeenMs;
    const fromMs = Math.max(firstSeenMs + rank * holdOffMs, noticedMs);
    const isDue = fromMs === firstSeenMs || (nowMs >= fromMs && knownAtMs >= fromMs);
    // Half of the time that the others give us: they may have seen the task before we did.
    const isFresh = others.length === 0 || nowMs < firstSeenMs + holdOffMs / 2;
    const isSure = candidate.ours || (before.length === 0 && isFresh && !isUnnoticed);
    if (isDue) start.push({ id: candidate.id, rank, weight: rank === 0 ? 0 : mine, isSure });
    else lookAgainAtMs = Math.min(lookAgainAtMs, fromMs);
  }
  // Sorting keeps the order of asking among equals. Tasks of others are taken in an order of our own, so
  // that two agents do not meet at the first of them.
  start.sort((a, b) => a.rank - b.rank || b.weight - a.weight);
  return { start: start.map(({ id, isSure }) => ({ id, isSure })), lookAgainAtMs };
}

function weightOf(agent: string, task: string): number {
  return createHash('sha256').update(`${agent}\n${task}`).digest().readUIntBE(0, 6);
}

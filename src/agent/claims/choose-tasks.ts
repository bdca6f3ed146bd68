import { createHash } from 'node:crypto';

/**
 * How long the agent a task falls to has to claim it, before the next one may: a fetch and a push on a slow line. Milliseconds.
 */
export const HOLD_OFF_MS = 2_000;

/** A task that could be started. */
export interface Candidate {
  readonly id: string;
  /** When this agent first saw it pending. Milliseconds of a clock that never jumps. */
  readonly firstSeenMs: number;
  /** Nobody else is to have it: we hold its claim already. */
  readonly ours: boolean;
}

/** Who chooses, among whom, and when. */
export interface Choosing {
  /** What tells this agent from all others. */
  readonly self: string;
  /** The others that have room for a task. */
  readonly others: readonly string[];
  readonly nowMs: number;
  /** When the last fetch began: what others had claimed by then is known. */
  readonly knownAtMs: number;
}

/** What to start, and when to look again because a task that is left to another may become ours. */
export interface Choice {
  /** The best first. `rank` 0: it falls to us. More: it fell to others, who have not taken it in their time. */
  readonly start: readonly { readonly id: string; readonly rank: number }[];
  /** Infinity: there is nothing to wait for. */
  readonly lookAgainAtMs: number;
}

/**
 * Shares tasks out among agents that do not talk to each other: each task falls to the agent for which the hash of agent and task is highest
 * (rendezvous hashing), so that all who know the same agents come to the same end, whatever else each of them knows. The agent whose hash is
 * second may take it HOLD_OFF_MS later, and so on, after a fetch that shows it unclaimed still. Alone, it is the order of asking.
 */
export function chooseTasks(candidates: readonly Candidate[], choosing: Choosing): Choice {
  const start: { id: string; rank: number; weight: number }[] = [];
  let lookAgainAtMs = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const mine = weightOf(choosing.self, candidate.id);
    const isBefore = (other: string) => weightOf(other, candidate.id) > mine;
    const rank = candidate.ours ? 0 : choosing.others.filter(isBefore).length;
    const fromMs = candidate.firstSeenMs + rank * HOLD_OFF_MS;
    const isDue = rank === 0 || (choosing.nowMs >= fromMs && choosing.knownAtMs >= fromMs);
    if (isDue) start.push({ id: candidate.id, rank, weight: rank === 0 ? 0 : mine });
    else lookAgainAtMs = Math.min(lookAgainAtMs, fromMs);
  }
  // Sorting keeps the order of asking among equals. Those of others are taken in an order of our own, to meet nobody at the first of them.
  start.sort((a, b) => a.rank - b.rank || b.weight - a.weight);
  return { start: start.map(({ id, rank }) => ({ id, rank })), lookAgainAtMs };
}

function weightOf(agent: string, task: string): number {
  return createHash('sha256').update(`${agent}\n${task}`).digest().readUIntBE(0, 6);
}

import { claimRef, isLeaseOver } from '../../protocol/claim.js';
import { PRESENCE_EVERY_MS } from '../../protocol/presence.js';
import type { ClaimChange, ClaimsStep } from './claims-events.js';
import { type ClaimsFacts, isClaiming, leaseOf } from './claims-facts.js';
import { type ClaimsState, NEVER } from './claims-state.js';
import { modelsToSay } from './model-placement.js';
import { dueClaims, nextClaimMs, orphanedClaims } from './own-claims.js';

/** The most changes in one push. The server takes 60 refs. */
export const MAX_CHANGES = 50;

/**
 * A claim that is due within this time goes along, so that several generations do not push in turn. In
 * leases.
 */
const TOGETHER = 1 / 6;

/** The wait after a push that came to nothing. Milliseconds. */
export const FIRST_RETRY_MS = 1_000;
/**
 * A claim of another agent on a task that is not pending is deleted once it has been over for this long.
 * Milliseconds.
 */
const SWEEP_AFTER_MS = 30_000;

/** When there is something to push; NEVER where there is nothing. */
export function nextPushMs(state: ClaimsState, facts: ClaimsFacts): number {
  if (!isClaiming(state, facts) || !facts.isConnected) return NEVER;
  const presenceMs = facts.saysPresence ? state.presenceDueMs : NEVER;
  return Math.max(state.retryAtMs, Math.min(nextClaimMs(state.own, facts.isFinished), presenceMs));
}

/** Pushes what is due, all in one push. */
export function pushDue(state: ClaimsState, facts: ClaimsFacts): ClaimsStep {
  if (nextPushMs(state, facts) > facts.nowMs) return { state, effects: [] };
  const changes = dueChanges(state, facts);
  if (changes.length > 0) {
    const isSaid = changes.some(({ kind }) => kind === 'presence');
    return { state: isSaid ? saying(state, facts) : state, effects: [{ do: 'push', changes }] };
  }
  return { state: { ...state, retryAtMs: facts.nowMs + FIRST_RETRY_MS }, effects: [] };
}

/**
 * The presence goes out with what is known now. What happens while it is on its way makes the next one due,
 * so the next time is set here and not when this one has arrived.
 */
function saying(state: ClaimsState, { nowMs }: ClaimsFacts): ClaimsState {
  return { ...state, presenceDueMs: nowMs + PRESENCE_EVERY_MS, presenceAtMs: nowMs };
}

function dueChanges(
  { own, others, having, presenceDueMs, presentSinceMs }: ClaimsState,
  facts: ClaimsFacts,
): ClaimChange[] {
  const { self, nowMs, serverNowMs, isFinished, isPending } = facts;
  const isAnyDue = dueClaims(own, nowMs, isFinished).length > 0;
  const due = isAnyDue ? dueClaims(own, nowMs + leaseOf(facts) * TOGETHER, isFinished) : [];
  // The presence, which says what is done for a task, goes along with its first claim, so that nobody sees
  // one without the other.
  const isNewClaim = presentSinceMs !== NEVER && due.some((task) => !own.held.has(task));
  const isPresenceDue = facts.saysPresence && (presenceDueMs <= nowMs || isNewClaim);
  // The list of models is long, so it goes along only where it has changed.
  const isNewsOfModels = isPresenceDue && facts.sharesModels && modelsToSay(having, self.agent) !== null;
  const leftOver = [...others.claims].flatMap(([task, { claim }]) =>
    isPending(task) || !isLeaseOver(claim, serverNowMs - SWEEP_AFTER_MS) ? [] : [task],
  );
  const ends = [...orphanedClaims(own, nowMs, isFinished), ...(isPresenceDue ? leftOver : [])];
  const changes: ClaimChange[] = [
    ...(isPresenceDue ? [{ kind: 'presence' } as const] : []),
    ...(isNewsOfModels ? [{ kind: 'models' } as const] : []),
    ...due.map((task) => ({ kind: 'claim', task }) as const),
    // A claim that the server is not known to have need not be deleted.
    ...ends.filter((task) => own.remote.has(claimRef(task))).map((task) => ({ kind: 'end', task }) as const),
  ];
  return changes.slice(0, MAX_CHANGES);
}

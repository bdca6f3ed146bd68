import { CLAIMS_PREFIX } from '../../protocol/claim.js';
import { PRESENCE_EVERY_MS } from '../../protocol/presence.js';
import type { Refusal } from '../../protocol/refusal.js';
import type { ClaimChange, ClaimsEffect, ClaimsStep, PushEvent } from './claims-events.js';
import { type ClaimsFacts, leaseOf } from './claims-facts.js';
import { type ClaimsState, NEVER } from './claims-state.js';
import { othersPostponed } from './others.js';
import { withClaim, withoutClaim, withoutJob, withRemote } from './own-claims.js';
import { FIRST_RETRY_MS } from './plan-pushes.js';

/** A lease is renewed when a third of it is over, so that two renewals may be lost. */
const RENEW_AFTER = 1 / 3;

/**
 * The longest wait after pushes that do not get through. The first is FIRST_RETRY_MS; it doubles each time,
 * with jitter.
 */
const MAX_RETRY_MS = 15_000;

/** The longest wait after a claim or a presence was refused for its time. */
const MAX_CLOCK_RETRY_MS = 5 * 60_000;

/**
 * What follows from the outcome of a push. A presence that did not arrive is due again, and so are models.
 */
export function afterPush(before: ClaimsState, event: PushEvent, facts: ClaimsFacts): ClaimsStep {
  const missed: readonly ClaimChange[] =
    event.type === 'pushed' ? event.changes.filter(({ ref }) => !event.refs.has(ref)) : event.changes;
  const isToSayAgain = missed.some(({ kind }) => kind === 'presence' || kind === 'models');
  const state = isToSayAgain ? { ...before, presenceDueMs: facts.nowMs } : before;
  if (event.type === 'failed') return afterFailure(state, event.changes, facts);
  const pushTakesMs = (state.pushTakesMs + facts.nowMs - event.startedAtMs) / 2;
  if (event.type === 'refused') return afterRefusal({ ...state, pushTakesMs }, event, facts);
  return afterSuccess({ ...state, pushTakesMs, failures: 0 }, event, facts);
}

/** The refs that were moved are ours. */
function afterSuccess(
  state: ClaimsState,
  { changes, refs, startedAtMs }: Extract<PushEvent, { type: 'pushed' }>,
  facts: ClaimsFacts,
): ClaimsStep {
  const { nowMs } = facts;
  const effects: ClaimsEffect[] = [];
  let { own, having, presentSinceMs } = state;
  for (const change of changes) {
    if (!refs.has(change.ref)) continue;
    own = withRemote(own, change.ref, change.to);
    if (change.kind === 'presence') {
      // A presence that tells a new phase is no reason to look for others; the one every two minutes is.
      const isLong = nowMs - state.askedAtMs > PRESENCE_EVERY_MS / 2;
      if (presentSinceMs === NEVER || isLong) effects.push({ do: 'ask', what: 'look' });
      presentSinceMs = Math.min(presentSinceMs, nowMs);
      having = { ...having, saidLoaded: change.loaded ?? [] };
    } else if (change.kind === 'models') {
      const said = { id: change.to ?? '', models: change.models ?? null };
      having = { ...having, models: new Map(having.models).set(facts.self.agent, said) };
    } else if (change.to === null) {
      own = withoutClaim(own, change.task);
    } else {
      const renewAtMs = startedAtMs + leaseOf(facts) * RENEW_AFTER;
      own = withClaim(own, change.task, { id: change.to, renewAtMs, knownSinceMs: nowMs });
      effects.push({ do: 'go-on', task: change.task });
    }
  }
  const next = { ...state, own, having, presentSinceMs };
  if (refs.size === changes.length) return { state: next, effects };
  // Another agent was first, or an earlier push of ours, whose outcome we did not hear. A fetch tells.
  effects.push({ do: 'ask', what: 'fetch' });
  return { state: { ...next, retryAtMs: nowMs + FIRST_RETRY_MS }, effects };
}

/** A refusal is about one claim of the push, which is dealt with; the others are pushed again. */
function afterRefusal(
  state: ClaimsState,
  { changes, refusal }: Extract<PushEvent, { type: 'refused' }>,
  facts: ClaimsFacts,
): ClaimsStep {
  const { nowMs } = facts;
  const task = refusal.ref?.startsWith(CLAIMS_PREFIX) ? refusal.ref.slice(CLAIMS_PREFIX.length) : null;
  const fetch = { do: 'ask', what: 'fetch' } as const;
  const later: ClaimsStep = { state: { ...state, retryAtMs: nowMs + FIRST_RETRY_MS }, effects: [fetch] };
  switch (refusal.code) {
    case 'claimed': {
      if (task === null) return later;
      const others = othersPostponed(state.others, task, nowMs + leaseOf(facts) * RENEW_AFTER);
      const lost = losing({ ...state, others, retryAtMs: nowMs }, task, refusal.holder ?? 'another agent');
      return { state: lost.state, effects: [...lost.effects, fetch] };
    }
    case 'answered':
    case 'expired':
    case 'unknown-task': {
      if (task === null) return later;
      const own = withoutJob(state.own, task);
      const why = 'answered by another, or out of time';
      // The next fetch brings the answer; until then the task is not to be begun again.
      const effects: ClaimsEffect[] = [{ do: 'settle', task }, { do: 'leave', task, why }, fetch];
      return { state: { ...state, own, retryAtMs: nowMs }, effects };
    }
    case 'stale':
      return later;
    case 'clock': {
      // Where the time that the server tells is not the one it judges by, asking again does not help.
      const { state: waiting } = afterFailure(state, changes, facts, MAX_CLOCK_RETRY_MS);
      return { state: waiting, effects: [{ do: 'forget-terms' }, fetch] };
    }
    case 'internal':
      // The hook itself failed, perhaps for lack of memory. That passes.
      return afterFailure(state, changes, facts);
    default:
      return afterLastRefusal(state, refusal);
  }
}

/**
 * No push follows, so every generation that waits for its claim goes on, also one whose claim was not in
 * this push.
 */
function afterLastRefusal(state: ClaimsState, refusal: Refusal): ClaimsStep {
  const freed = [...state.own.jobs.keys()].map((task) => ({ do: 'go-on', task }) as const);
  const text = `going on without claims: the server refused one: ${refusal.text}`;
  return { state: { ...state, isOff: true }, effects: [...freed, { do: 'log', level: 'info', text }] };
}

/** A claim that cannot be made holds up no generation. */
function afterFailure(
  state: ClaimsState,
  changes: readonly ClaimChange[],
  facts: ClaimsFacts,
  longestMs = MAX_RETRY_MS,
): ClaimsStep {
  const delayMs = Math.min(FIRST_RETRY_MS * 2 ** state.failures, longestMs) * (0.5 + facts.jitter / 2);
  const freed = changes.flatMap((change) =>
    change.kind === 'presence' || change.kind === 'models'
      ? []
      : [{ do: 'go-on', task: change.task } as const],
  );
  const next = { ...state, failures: state.failures + 1, retryAtMs: facts.nowMs + delayMs };
  // The claim may have arrived all the same, and its task may be answered before there is another push.
  const isUnheard = changes.some(({ kind }) => kind === 'claim');
  return { state: next, effects: isUnheard ? [...freed, { do: 'ask', what: 'fetch' }] : freed };
}

/** Another agent has a task that is generated here: the generation ends. */
export function losing(state: ClaimsState, task: string, holder: string): ClaimsStep {
  const own = withoutClaim(withoutJob(state.own, task), task);
  return {
    state: { ...state, own },
    effects: [{ do: 'leave', task, why: `${holder} has it; leaving it there` }],
  };
}

import { claimRef } from '../../protocol/claim.js';
import { isPresent } from '../../protocol/presence.js';
import { afterPush, losing } from './after-push.js';
import type { ClaimsEffect, ClaimsEvent, ClaimsStep } from './claims-events.js';
import type { ClaimsFacts } from './claims-facts.js';
import { type ClaimsState, NEVER, type OwnWork } from './claims-state.js';
import { isAnyoneThere, othersAfterFetch, othersUnchanged } from './others.js';
import {
  ownAfterFetch,
  withJob,
  withoutClaim,
  withoutJob,
  withoutNewClaim,
  withRemote,
} from './own-claims.js';
import { pushDue } from './plan-pushes.js';
import { holderFor, startTasks } from './start-tasks.js';

/**
 * An agent that is alone claims a task once its generation has run for this long: an answer that comes
 * sooner is not worth a second push. Where others are known, the claim goes out at once. Milliseconds.
 */
const CLAIM_AFTER_MS = 200;

/**
 * While every task is claimed first and nobody else is known, a claim waits for those of the tasks that
 * start right after it. Otherwise a backlog would be claimed in pushes of one task and of all the others in
 * turn. It waits for a part of the time of a push, at most MAX_GATHER_MS.
 */
const GATHER_PUSHES = 1 / 4;
const MAX_GATHER_MS = 100;

/** A phase is told once it has lasted PHASE_AFTER_MS, and not more often than every PHASE_EVERY_MS. */
const PHASE_AFTER_MS = 2_000;
const PHASE_EVERY_MS = 5_000;

type EventOf<T extends ClaimsEvent['type']> = Extract<ClaimsEvent, { readonly type: T }>;

type Rule<T extends ClaimsEvent['type']> = (
  state: ClaimsState,
  event: EventOf<T>,
  facts: ClaimsFacts,
) => ClaimsStep;

/** What follows from each event. */
const RULES: { readonly [T in ClaimsEvent['type']]: Rule<T> } = {
  asked: (state, _, { nowMs }) => to({ ...state, askedAtMs: nowMs }),
  unchanged: afterNoNews,
  fetched: afterFetch,
  choosing: startTasks,
  began: afterBegin,
  phase: afterPhase,
  generated: afterGeneration,
  ended: afterEnd,
  queued: afterQueued,
  answered: afterAnswers,
  ready: afterOffer,
  loaded: (state, { offer }) => to({ ...state, having: { ...state.having, offer } }),
  woke: (state, _, facts) => pushDue(state, facts),
  pushed: afterPush,
  refused: afterPush,
  failed: afterPush,
};

/** What follows from an event: the next state, and what is to be done. Pure. */
export function reduceClaims<T extends ClaimsEvent['type']>(
  state: ClaimsState,
  event: EventOf<T>,
  facts: ClaimsFacts,
): ClaimsStep {
  const rule: Rule<T> = RULES[event.type as T];
  return rule(state, event, facts);
}

function to(state: ClaimsState, effects: readonly ClaimsEffect[] = []): ClaimsStep {
  return { state, effects };
}

function afterNoNews(state: ClaimsState, _: unknown, { serverNowMs }: ClaimsFacts): ClaimsStep {
  const others = othersUnchanged(state.others, serverNowMs);
  return to({ ...state, others, knownAtMs: state.askedAtMs });
}

function afterBegin(
  state: ClaimsState,
  { task, claimFirst }: EventOf<'began'>,
  facts: ClaimsFacts,
): ClaimsStep {
  const claimAtMs = facts.nowMs + claimDelayMs(state, claimFirst, facts);
  const begun = withWork(state, task, { phase: 'waiting' }, facts);
  return to({ ...begun, own: withJob(state.own, task, claimAtMs) });
}

function afterPhase(state: ClaimsState, event: EventOf<'phase'>, facts: ClaimsFacts): ClaimsStep {
  if (!state.work.has(event.task)) return to(state);
  const changed = withWork(state, event.task, event, facts);
  // The last presence said that no model server answers, so the offer is read again.
  const isBack = event.phase !== 'waiting' && state.having.offer?.backends.length === 0;
  const effects = isBack ? [{ do: 'read-offer' } as const] : [];
  return to({ ...changed, presenceDueMs: whenToSay(state, facts) }, effects);
}

function afterEnd(state: ClaimsState, { task }: EventOf<'ended'>): ClaimsStep {
  const work = new Map(state.work);
  work.delete(task);
  return to({ ...state, own: withoutJob(state.own, task), work });
}

/** Nobody sees on this bridge that the models are busy for another one, so it is told as a phase is. */
function afterQueued(state: ClaimsState, { task }: EventOf<'queued'>, facts: ClaimsFacts): ClaimsStep {
  const { queued } = state;
  if ((queued?.task ?? null) === task) return to(state);
  const next = task === null ? null : { task, sinceMs: queued?.sinceMs ?? facts.serverNowMs };
  // Only the beginning and the end are told at once: another waiting task is no news.
  const isSaid = queued !== null && next !== null;
  return to({
    ...state,
    queued: next,
    presenceDueMs: isSaid ? state.presenceDueMs : whenToSay(state, facts),
  });
}

function afterAnswers(state: ClaimsState, { tasks }: EventOf<'answered'>): ClaimsStep {
  let { own } = state;
  for (const task of tasks) own = withRemote(withoutClaim(own, task), claimRef(task), null);
  return to({ ...state, own });
}

function afterOffer(state: ClaimsState, { offer }: EventOf<'ready'>, { nowMs }: ClaimsFacts): ClaimsStep {
  const having = { ...state.having, offer };
  // A task that is left to others may be ours now.
  const effects = state.leftTo.size === 0 ? [] : [{ do: 'ask', what: 'look' } as const];
  return to({ ...state, having, presenceDueMs: nowMs }, effects);
}

/**
 * With others present, even a late claim keeps them away until the answer is pushed. Alone, none is made any
 * more.
 */
function afterGeneration(
  state: ClaimsState,
  { task }: EventOf<'generated'>,
  { nowMs }: ClaimsFacts,
): ClaimsStep {
  return to(isAnyoneThere(state.others, nowMs) ? state : { ...state, own: withoutNewClaim(state.own, task) });
}

function claimDelayMs(state: ClaimsState, claimFirst: boolean, { nowMs }: ClaimsFacts): number {
  if (isAnyoneThere(state.others, nowMs)) return 0;
  return claimFirst ? Math.min(state.pushTakesMs * GATHER_PUSHES, MAX_GATHER_MS) : CLAIM_AFTER_MS;
}

function withWork(
  state: ClaimsState,
  task: string,
  { phase, model }: Pick<OwnWork, 'phase'> & { readonly model?: string | undefined },
  facts: ClaimsFacts,
): ClaimsState {
  const before = state.work.get(task);
  const sinceMs = before?.sinceMs ?? facts.serverNowMs;
  const work = { phase, sinceMs, model: model ?? before?.model };
  return { ...state, work: new Map(state.work).set(task, work) };
}

/** A new phase is told a while later, because it may be short, and not too often. */
function whenToSay(state: ClaimsState, facts: ClaimsFacts): number {
  if (state.presentSinceMs === NEVER) return state.presenceDueMs;
  const soonMs = Math.max(facts.nowMs + PHASE_AFTER_MS, state.presenceAtMs + PHASE_EVERY_MS);
  return Math.min(state.presenceDueMs, soonMs);
}

function afterFetch(before: ClaimsState, { refs }: EventOf<'fetched'>, facts: ClaimsFacts): ClaimsStep {
  const { self, nowMs, serverNowMs } = facts;
  let state: ClaimsState = {
    ...before,
    knownAtMs: before.askedAtMs,
    having: { ...before.having, models: refs.models },
    own: ownAfterFetch(before.own, refs, { self, nowMs, serverNowMs, fetchedAtMs: before.askedAtMs }),
    others: othersAfterFetch(before.others, refs, { self, nowMs, serverNowMs }),
  };
  const effects: ClaimsEffect[] = [];
  for (const task of before.own.jobs.keys()) {
    const holder = holderFor(state, task, nowMs);
    if (holder === null) continue;
    const lost = losing(state, task, holder.claim.agent);
    state = lost.state;
    effects.push(...lost.effects);
  }
  const twin = refs.agents.get(self.agent)?.presence;
  if (state.isTwinTold || !twin || twin.session === self.session || !isPresent(twin, serverNowMs)) {
    return to(state, effects);
  }
  const text = `another agent answers as ${self.agent}: give each PC a key of its own, so that it is known which one answered`;
  effects.push({ do: 'log', level: 'warn', text });
  return to({ ...state, isTwinTold: true }, effects);
}

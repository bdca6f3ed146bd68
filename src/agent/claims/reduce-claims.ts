import type { SideRefs } from '../../bridge/side-refs.js';
import type { WantedModel } from '../../bridge/wanted-model.js';
import { claimRef } from '../../protocol/claim.js';
import { shortId } from '../../protocol/names.js';
import { isPresent } from '../../protocol/presence.js';
import { oneLine } from '../../protocol/printable.js';
import { type Candidate, chooseTasks } from './choose-tasks.js';
import {
  type ClaimsEffect,
  type ClaimsEvent,
  type ClaimsFacts,
  type ClaimsState,
  type ClaimsStep,
  isClaiming,
  NEVER,
  type OwnWork,
} from './claims-state.js';
import { leftTo, placementFor } from './model-standing.js';
import {
  agentKey,
  busyAgents,
  type ForeignClaim,
  holderOf,
  isAnyoneThere,
  othersAfterFetch,
  othersUnchanged,
} from './others.js';
import { ownAfterFetch, withJob, withoutClaim, withoutJob, withRemote } from './own-claims.js';
import { afterPush, holdOffMs, losing, pushDue } from './plan-pushes.js';

/**
 * Alone, a claim goes out once a generation has run for so long: an answer that comes sooner is not worth a
 * second push. Where others are known, it goes out at once. Milliseconds.
 */
const CLAIM_AFTER_MS = 200;

/** Agents that a script or a power cut starts together know of each other after this time. Milliseconds. */
const SETTLE_MS = 5_000;

/** A phase that lasts as long is worth a push, where one is made for it at most that often. Milliseconds. */
const PHASE_AFTER_MS = 2_000;
const PHASE_EVERY_MS = 5_000;

/** What follows from an event: the next state, and what is to be done. Pure. */
export function reduceClaims(state: ClaimsState, event: ClaimsEvent, facts: ClaimsFacts): ClaimsStep {
  switch (event.type) {
    case 'asked':
      return { state: { ...state, askedAtMs: facts.nowMs }, effects: [] };
    case 'unchanged': {
      const others = othersUnchanged(state.others, facts.serverNowMs);
      return { state: { ...state, others, knownAtMs: state.askedAtMs }, effects: [] };
    }
    case 'fetched':
      return afterFetch(state, event.refs, facts);
    case 'choosing':
      return choose(state, event, facts);
    case 'began': {
      const isAtOnce = event.claimFirst || isAnyoneThere(state.others, facts.nowMs);
      const claimAtMs = facts.nowMs + (isAtOnce ? 0 : CLAIM_AFTER_MS);
      const begun = withWork(state, event.task, { phase: 'waiting' }, facts);
      return { state: { ...begun, own: withJob(state.own, event.task, claimAtMs) }, effects: [] };
    }
    case 'phase': {
      if (!state.work.has(event.task)) return { state, effects: [] };
      const changed = withWork(state, event.task, event, facts);
      // Others are told that no model server is reached, until it is known better.
      const isBack = event.phase !== 'waiting' && state.having.offer?.backends.length === 0;
      const effects = isBack ? [{ do: 'read-offer' } as const] : [];
      return { state: { ...changed, presenceDueMs: whenToSay(state, facts) }, effects };
    }
    case 'ended': {
      const work = new Map(state.work);
      work.delete(event.task);
      return { state: { ...state, own: withoutJob(state.own, event.task), work }, effects: [] };
    }
    case 'answered': {
      let { own } = state;
      for (const task of event.tasks) own = withRemote(withoutClaim(own, task), claimRef(task), null);
      return { state: { ...state, own }, effects: [] };
    }
    case 'ready': {
      const having = { ...state.having, offer: event.offer };
      // A task that is left to others may be ours now.
      const effects = state.leftTo.size === 0 ? [] : [{ do: 'ask', what: 'look' } as const];
      return { state: { ...state, having, presenceDueMs: facts.nowMs }, effects };
    }
    case 'loaded':
      return { state: { ...state, having: { ...state.having, offer: event.offer } }, effects: [] };
    case 'woke':
      return pushDue(state, facts);
    case 'pushed':
    case 'refused':
    case 'failed':
      return afterPush(state, event, facts);
  }
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

/** A new phase is told a while later, in case it is short, and not too often. */
function whenToSay(state: ClaimsState, facts: ClaimsFacts): number {
  if (state.presentSinceMs === NEVER) return state.presenceDueMs;
  const soonMs = Math.max(facts.nowMs + PHASE_AFTER_MS, state.presenceAtMs + PHASE_EVERY_MS);
  return Math.min(state.presenceDueMs, soonMs);
}

/** When a task that is left to others may have become ours; NEVER where there is none. */
export function lookAgainMs(state: ClaimsState, facts: ClaimsFacts): number {
  if (!isClaiming(state, facts) || isSettled(state, facts)) return state.lookAgainAtMs;
  return Math.min(state.lookAgainAtMs, state.presentSinceMs + SETTLE_MS);
}

/** Until others can know of us, and we of them, agents that start together would take the same tasks. */
function isSettled(state: ClaimsState, facts: ClaimsFacts): boolean {
  return !facts.saysPresence || state.presentSinceMs + SETTLE_MS <= state.knownAtMs;
}

function afterFetch(before: ClaimsState, refs: SideRefs, facts: ClaimsFacts): ClaimsStep {
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
    return { state, effects };
  }
  const text = `another agent answers as ${self.agent}: give each PC a key of its own, so that it is known which one answered`;
  effects.push({ do: 'log', level: 'warn', text });
  return { state: { ...state, isTwinTold: true }, effects };
}

/** The claim that keeps us from a task; null where there is none, or the claim is ours. */
function holderFor(state: ClaimsState, task: string, nowMs: number): ForeignClaim | null {
  if (state.own.held.has(task)) return null;
  return holderOf(state.others, task, { nowMs, knownAtMs: state.knownAtMs });
}

/** Leaves tasks to those that have their model, and chooses among the others. */
function choose(
  before: ClaimsState,
  event: Extract<ClaimsEvent, { type: 'choosing' }>,
  facts: ClaimsFacts,
): ClaimsStep {
  const left = new Map<string, string>();
  // Nothing is heard of the others any more where claims are off for good.
  for (const task of before.isOff ? [] : event.free) {
    const wanted = event.wants(task);
    const agents = wanted === null ? [] : leftTo(wanted, before.having, facts.self.agent);
    if (wanted === null || agents.length === 0) continue;
    left.set(task, `${agents.join(', ')}, which ${agents.length === 1 ? 'has' : 'have'} ${wanted.model}`);
  }
  const told = [...left].flatMap(([task, to]): ClaimsEffect[] => {
    const text = `task ${shortId(task)}: left to ${oneLine(to)}`;
    return before.leftTo.has(task) ? [] : [{ do: 'log', level: 'info', text }];
  });
  const free = event.free.filter((task) => !left.has(task));
  const { state, effects } = chooseAmong({ ...before, leftTo: left }, { ...event, free }, facts);
  return { state, effects: [...told, ...effects] };
}

/** Chooses the free tasks that this agent starts, and remembers when to look at the others again. */
function chooseAmong(
  state: ClaimsState,
  { free, room, takesNoRoom, wants }: Extract<ClaimsEvent, { type: 'choosing' }>,
  facts: ClaimsFacts,
): ClaimsStep {
  let left = room;
  const fits = (task: string) => takesNoRoom(task) || left-- > 0;
  if (!isClaiming(state, facts)) {
    const starts = free.filter(fits).map((task) => ({ do: 'start', task, claimFirst: false }) as const);
    return { state: { ...state, lookAgainAtMs: NEVER, isHoldingOff: false }, effects: starts };
  }
  const { nowMs } = facts;
  const isKnown = state.knownAtMs !== -NEVER;
  const foundAtMs = isKnown ? Math.min(state.foundAtMs, nowMs) : state.foundAtMs;
  const firstSeenMs = new Map(free.map((task) => [task, state.firstSeenMs.get(task) ?? nowMs]));
  const candidates: Candidate[] = [];
  let overAtMs = NEVER;
  for (const [id, seenMs] of firstSeenMs) {
    const holder = holderFor(state, id, nowMs);
    if (holder === null) {
      const ours = state.own.held.has(id);
      candidates.push({ id, firstSeenMs: seenMs, ours, placement: placementOf(state, wants(id), facts) });
    } else overAtMs = Math.min(overAtMs, holder.overAtMs);
  }
  const choice = chooseTasks(candidates, {
    self: agentKey(facts.self),
    others: state.others.present.map(agentKey),
    busy: busyAgents(state.others, nowMs),
    holdOffMs: holdOffMs(state),
    nowMs,
    knownAtMs: state.knownAtMs,
  });
  const isShort = choice.start.length < room;
  const next: ClaimsState = {
    ...state,
    firstSeenMs,
    foundAtMs,
    lookAgainAtMs: isShort ? Math.min(choice.lookAgainAtMs, overAtMs) : NEVER,
    isHoldingOff: isShort && choice.lookAgainAtMs !== NEVER,
  };
  const isNew = (task: string) => (firstSeenMs.get(task) ?? nowMs) > foundAtMs;
  const starts = choice.start.flatMap(({ id: task, isSure }): ClaimsEffect[] => {
    const claimFirst = !isSure || !(isNew(task) || isSettled(state, facts));
    return fits(task) ? [{ do: 'start', task, claimFirst }] : [];
  });
  return { state: next, effects: [...settlingLook(state, facts), ...starts] };
}

/** Without others, or a wish, there is nothing to compare. */
function placementOf(state: ClaimsState, wanted: WantedModel | null, { self }: ClaimsFacts) {
  const { present } = state.others;
  if (wanted === null || present.length === 0 || state.having.models.size === 0) return undefined;
  return placementFor(wanted, state.having, { self: self.agent, present });
}

/** A busy agent fetches nothing by itself: it would claim first for as long as a backlog lasts. */
function settlingLook(state: ClaimsState, facts: ClaimsFacts): readonly ClaimsEffect[] {
  const atMs = state.presentSinceMs + SETTLE_MS;
  const isDue = !isSettled(state, facts) && facts.nowMs >= atMs && state.askedAtMs < atMs;
  return isDue ? [{ do: 'ask', what: 'look' }] : [];
}

import type { WantedModel } from '../../bridge/wanted-model.js';
import { shortId } from '../../protocol/names.js';
import { oneLine } from '../../protocol/printable.js';
import { type Candidate, chooseTasks, HOLD_OFF_MS } from './choose-tasks.js';
import type { ClaimsEffect, ClaimsEvent, ClaimsStep } from './claims-events.js';
import { type ClaimsFacts, isClaiming } from './claims-facts.js';
import { type ClaimsState, NEVER } from './claims-state.js';
import { leftTo, placementFor } from './model-placement.js';
import { agentKey, busyAgents, type ForeignClaim, holderOf } from './others.js';

/**
 * The longest wait for the agent to which a task falls, however slow a push is: it may have vanished.
 * Milliseconds.
 */
const MAX_HOLD_OFF_MS = 10_000;

/** Agents that a script or a power cut starts together know of each other after this time. Milliseconds. */
const SETTLE_MS = 5_000;

/**
 * What follows from room for more tasks: leaves tasks to the agents that have their model, and of the others
 * starts those that fall to this agent.
 */
export function startTasks(
  before: ClaimsState,
  event: Extract<ClaimsEvent, { type: 'choosing' }>,
  facts: ClaimsFacts,
): ClaimsStep {
  const left = event.left === null ? before.leftTo : leftOf(event.left, event.wants, before, facts);
  const told = left === before.leftTo ? [] : [...left].filter(([task]) => !before.leftTo.has(task));
  const free = event.free.filter((task) => !left.has(task));
  // What was left to others until now could be started from now on.
  const seenMs = (task: string) => (before.leftTo.has(task) ? facts.nowMs : event.seenMs(task));
  const { state, effects } = chooseAmong({ ...before, leftTo: left }, { ...event, free, seenMs }, facts);
  return { state, effects: [...told.map(([task, to]) => saysLeft(task, to)), ...effects] };
}

/** Those of these tasks that are left to others, with a text that says why. */
function leftOf(
  tasks: readonly string[],
  wants: (task: string) => WantedModel | null,
  { isOff, having }: ClaimsState,
  { self }: ClaimsFacts,
): ReadonlyMap<string, string> {
  const left = new Map<string, string>();
  // Where claims are off for good, nothing is heard of the others any more.
  for (const task of isOff ? [] : tasks) {
    const wanted = wants(task);
    const agents = wanted === null ? [] : leftTo(wanted, having, self.agent);
    if (wanted === null || agents.length === 0) continue;
    left.set(task, `${agents.join(', ')}, which ${agents.length === 1 ? 'has' : 'have'} ${wanted.model}`);
  }
  return left;
}

function saysLeft(task: string, to: string): ClaimsEffect {
  return { do: 'log', level: 'info', text: `task ${shortId(task)}: left to ${oneLine(to)}` };
}

/** Chooses the free tasks that this agent starts, and remembers when to look at the others again. */
function chooseAmong(
  state: ClaimsState,
  { free, room, ahead, cancelled, isCancelled, wants, seenMs }: Extract<ClaimsEvent, { type: 'choosing' }>,
  facts: ClaimsFacts,
): ClaimsStep {
  let left = room;
  let cancelledLeft = cancelled;
  const fits = (task: string) => (isCancelled(task) ? cancelledLeft-- > 0 : left-- > 0);
  if (!isClaiming(state, facts)) {
    const starts = free.filter(fits).map((task) => ({ do: 'start', task, claimFirst: false }) as const);
    return { state: { ...state, lookAgainAtMs: NEVER, isHoldingOff: false }, effects: starts };
  }
  const { nowMs } = facts;
  const isKnown = state.knownAtMs !== -NEVER;
  const foundAtMs = isKnown ? Math.min(state.foundAtMs, nowMs) : state.foundAtMs;
  const firstSeenMs = new Map(free.map((task) => [task, state.firstSeenMs.get(task) ?? seenMs(task)]));
  const candidates: Candidate[] = [];
  let overAtMs = NEVER;
  for (const [id, firstMs] of firstSeenMs) {
    const holder = holderFor(state, id, nowMs);
    if (holder === null) {
      const ours = state.own.held.has(id);
      candidates.push({ id, firstSeenMs: firstMs, ours, placement: placementOf(state, wants(id), facts) });
    } else overAtMs = Math.min(overAtMs, holder.overAtMs);
  }
  // A standby waits for nobody any more, and is sure of no task: another agent may have come just now.
  const choice = facts.isStandby
    ? { start: candidates.map(({ id, ours }) => ({ id, isSure: ours })), lookAgainAtMs: NEVER }
    : chooseTasks(candidates, {
        self: agentKey(facts.self),
        others: state.others.present.map(agentKey),
        busy: busyAgents(state.others, nowMs),
        holdOffMs: holdOffMs(state),
        nowMs,
        knownAtMs: state.knownAtMs,
        noticedAtMs: facts.saysPresence ? state.presentSinceMs + holdOffMs(state) / 2 : -NEVER,
      });
  const isShort = choice.start.filter(({ id }) => !isCancelled(id)).length < room;
  const next: ClaimsState = {
    ...state,
    firstSeenMs,
    foundAtMs,
    lookAgainAtMs: isShort ? Math.min(choice.lookAgainAtMs, overAtMs) : NEVER,
    isHoldingOff: isShort && choice.lookAgainAtMs !== NEVER,
  };
  const isNew = (task: string) => (firstSeenMs.get(task) ?? nowMs) > foundAtMs;
  let aheadLeft = ahead;
  const starts = choice.start.flatMap(({ id: task, isSure }): ClaimsEffect[] => {
    const claimFirst = !isSure || !(isNew(task) || isSettled(state, facts));
    if (fits(task)) return [{ do: 'start', task, claimFirst }];
    return claimFirst && !isCancelled(task) && mayClaimAhead(state, facts) && aheadLeft-- > 0
      ? [{ do: 'start', task, claimFirst, isAhead: true }]
      : [];
  });
  return { state: next, effects: [...settlingLook(state, facts), ...starts] };
}

/** How long to leave a task to the agent it falls to: HOLD_OFF_MS, or twice what a push takes here. */
function holdOffMs(state: ClaimsState): number {
  return Math.min(Math.max(HOLD_OFF_MS, 2 * state.pushTakesMs), MAX_HOLD_OFF_MS);
}

/** Undefined where there is nothing to compare: without others, or without a model that the task wants. */
function placementOf(state: ClaimsState, wanted: WantedModel | null, { self }: ClaimsFacts) {
  const { present } = state.others;
  if (wanted === null || present.length === 0 || state.having.models.size === 0) return undefined;
  return placementFor(wanted, state.having, { self: self.agent, present });
}

/**
 * Asks the server once when the agent can be settled. A busy agent does not ask by itself, and would claim
 * first for as long as its backlog lasts.
 */
function settlingLook(state: ClaimsState, facts: ClaimsFacts): readonly ClaimsEffect[] {
  const atMs = state.presentSinceMs + SETTLE_MS;
  const isDue = !isSettled(state, facts) && facts.nowMs >= atMs && state.askedAtMs < atMs;
  return isDue ? [{ do: 'ask', what: 'look' }] : [];
}

/** When a task that is left to others may have become ours; NEVER where there is none. */
export function lookAgainMs(state: ClaimsState, facts: ClaimsFacts): number {
  if (!isClaiming(state, facts) || isSettled(state, facts)) return state.lookAgainAtMs;
  return Math.min(state.lookAgainAtMs, state.presentSinceMs + SETTLE_MS);
}

/**
 * Whether this agent and those that started with it know of each other. Until then they would take the same
 * tasks.
 */
function isSettled(state: ClaimsState, facts: ClaimsFacts): boolean {
  return !facts.saysPresence || state.presentSinceMs + SETTLE_MS <= state.knownAtMs;
}

/**
 * Whether tasks may be claimed before a model has room for them: while every task is claimed first although
 * nobody else is known. Otherwise a fast model would wait for a push between two tasks.
 */
function mayClaimAhead(state: ClaimsState, facts: ClaimsFacts): boolean {
  return isClaiming(state, facts) && state.others.present.length === 0 && !isSettled(state, facts);
}

/** The claim that keeps us from a task; null where there is none, or the claim is ours. */
export function holderFor(state: ClaimsState, task: string, nowMs: number): ForeignClaim | null {
  if (state.own.held.has(task)) return null;
  return holderOf(state.others, task, { nowMs, knownAtMs: state.knownAtMs });
}

import { formatAge, formatDuration } from '../protocol/duration.js';
import { isExpected, isPresent, isStandby, type Presence, QUEUED_PHASE } from '../protocol/presence.js';
import type { WhoWorks } from './side-refs.js';
import { holdersOf, modelsFor, type SameModel, type WantedModel } from './wanted-model.js';

/**
 * Whether there is anybody to answer. `unknown`: the bridge takes no claims, so agents do not say that they
 * are there. `absent`: no agent is there; `last` is the one that was seen last, null where there never was
 * one. `no-model-server`: agents are there, and none of them reaches a model server. `model-away`: all
 * agents that have the model that was asked about are away. Times are milliseconds since the epoch, by the
 * server's clock.
 */
export type Attendance =
  | { readonly state: 'present'; readonly agents: readonly string[] }
  | { readonly state: 'unknown' }
  | (Missing & StoodInFor);

type Missing =
  | { readonly state: 'no-model-server'; readonly agents: readonly string[] }
  | { readonly state: 'absent'; readonly last: { readonly agent: string; readonly seenMs: number } | null }
  | { readonly state: 'model-away'; readonly model: string; readonly holders: readonly Holder[] };

/** The standby that answers first, once a task has waited for `afterMs`; absent where there is none. */
interface StoodInFor {
  readonly standby?: { readonly agent: string; readonly afterMs: number };
}

/** An agent that has a model. `seenMs` is null where it never said that it was there. */
export interface Holder {
  readonly agent: string;
  readonly seenMs: number | null;
}

/** A model, and how its spellings are compared. */
export interface AskedModel {
  readonly wanted: WantedModel | null;
  readonly sameModel: SameModel;
}

/**
 * Judges who is there, for tasks that want any model or for one that wants `asked`. A claim proves as much
 * as a presence, because `agent --once` writes no presence. A standby does not count, because whoever asks
 * now would wait until it steps in.
 */
export function attendanceOf(
  who: WhoWorks,
  bridge: { readonly nowMs: number; readonly takesClaims: boolean },
  asked?: AskedModel,
): Attendance {
  const { running } = who;
  const agents = who.agents.filter((one) => !isStandby(one));
  if (!bridge.takesClaims) return { state: 'unknown' };
  const stoodIn = standbyFor(who, bridge.nowMs, asked);
  const holders = asked === undefined ? [] : holdersAway(who, bridge.nowMs, asked);
  if (holders.length > 0)
    return { state: 'model-away', model: asked?.wanted?.model ?? '', holders, ...stoodIn };
  const present = agents.filter((one) => isPresent(one, bridge.nowMs));
  const standbys = who.agents.filter(isStandby);
  const silent = [...running.values()]
    .map(({ agent }) => agent)
    .filter((agent) => ![...present, ...standbys].some((one) => one.agent === agent));
  const able = [...present.filter(reachesModelServer).map(({ agent }) => agent), ...new Set(silent)];
  if (able.length > 0) return { state: 'present', agents: able };
  if (present.length > 0)
    return { state: 'no-model-server', agents: present.map(({ agent }) => agent), ...stoodIn };
  const seen = agents.map(({ agent, seen_at }) => ({ agent, seenMs: Date.parse(seen_at) }));
  return { state: 'absent', last: seen.sort((a, b) => b.seenMs - a.seenMs)[0] ?? null, ...stoodIn };
}

/** Of the standbys that are there and could answer, the one that steps in first. */
function standbyFor(who: WhoWorks, nowMs: number, asked: AskedModel | undefined): StoodInFor {
  const could = ({ agent }: Presence) => {
    const models = who.models.get(agent)?.models;
    const { wanted = null } = asked ?? {};
    if (asked === undefined || wanted === null || models === undefined) return true;
    return modelsFor(wanted, models, asked.sameModel).length > 0;
  };
  const [first] = who.agents
    .filter((one) => isStandby(one) && isPresent(one, nowMs) && could(one))
    .sort((a, b) => (a.after_s ?? 0) - (b.after_s ?? 0));
  if (first === undefined) return {};
  return { standby: { agent: first.agent, afterMs: (first.after_s ?? 0) * 1000 } };
}

/** True also where it works on a task: an empty list of servers is then only older than that work. */
function reachesModelServer({ backends, work = [] }: Presence): boolean {
  return backends.length > 0 || work.some(({ phase }) => phase !== 'waiting' && phase !== QUEUED_PHASE);
}

/**
 * The agents that have the model, where the task has to wait for one of them. None where one of them is
 * there, or an agent that does not say what it has. None also where nobody has the model: then the answer
 * comes soon, and is an error.
 */
function holdersAway(who: WhoWorks, nowMs: number, { wanted, sameModel }: AskedModel): Holder[] {
  if (wanted === null) return [];
  const having = withoutStandbys(holdersOf(wanted, who.models, sameModel), who, nowMs);
  const there = who.agents.filter((one) => isExpected(one, nowMs)).map(({ agent }) => agent);
  // An agent with a presence is judged by that. If it has stopped, a claim of it may be left until its lease
  // is over.
  const silent = (agent: string) => !who.agents.some((one) => one.agent === agent);
  const atWork = [...who.running.values()].map(({ agent }) => agent).filter(silent);
  const mayAnswer = (agent: string) => having.includes(agent) || !who.models.has(agent);
  if ([...there, ...atWork].some(mayAnswer)) return [];
  return having.map((agent) => {
    const seen = who.agents.find((one) => one.agent === agent);
    return { agent, seenMs: seen === undefined ? null : Date.parse(seen.seen_at) };
  });
}

/**
 * The holders without standbys. Where only standbys have the model, its tasks wait for them: none of them
 * counts as away while one is there.
 */
function withoutStandbys(having: readonly string[], who: WhoWorks, nowMs: number): string[] {
  const standbys = who.agents.filter((one) => isStandby(one) && having.includes(one.agent));
  const others = having.filter((agent) => !standbys.some((one) => one.agent === agent));
  if (others.length > 0) return others;
  return standbys.some((one) => isPresent(one, nowMs)) ? [] : [...having];
}

/** What keeps a task waiting, and what to do about it. */
export interface AttendanceProblem {
  readonly text: string;
  readonly remedy: string;
}

/**
 * Says in one sentence what is wrong with who is there, and when a standby steps in; null where nothing is
 * wrong.
 */
export function attendanceProblem(attendance: Attendance, nowMs: number): AttendanceProblem | null {
  if (attendance.state === 'present' || attendance.state === 'unknown') return null;
  const { text, remedy } = missingProblem(attendance, nowMs);
  const { standby } = attendance;
  if (standby === undefined) return { text, remedy };
  return {
    text: `${text}; ${standby.agent} answers what has waited ${formatDuration(standby.afterMs)}`,
    remedy,
  };
}

function missingProblem(attendance: Missing, nowMs: number): AttendanceProblem {
  switch (attendance.state) {
    case 'no-model-server':
      return {
        text: `${attendance.agents.join(', ')} ${attendance.agents.length === 1 ? 'reaches' : 'reach'} no model server`,
        remedy: 'start it on the PC; llm-bridge doctor there says more',
      };
    case 'model-away':
      return {
        text: `${attendance.model} is with no agent that is there: ${nameHolders(attendance.holders, nowMs)}`,
        remedy: 'start that agent, or ask another model: llm-bridge models',
      };
    case 'absent': {
      const { last } = attendance;
      const remedy =
        'start one on the PC: llm-bridge agent --repo ADDRESS; llm-bridge doctor there says more';
      if (last === null) return { text: 'no agent has said yet that it is there', remedy };
      const since = new Date(last.seenMs).toISOString();
      const ago = formatAge(Math.max(0, nowMs - last.seenMs));
      return { text: `no agent is there since ${since} (${last.agent}, ${ago} ago)`, remedy };
    }
  }
}

/** The agents that are waited for: `home-pc, last seen 3 h ago; office, never seen`. */
export function nameHolders(holders: readonly Holder[], nowMs: number): string {
  const seen = (ms: number | null) =>
    ms === null ? 'never seen' : `last seen ${formatAge(Math.max(0, nowMs - ms))} ago`;
  return holders.map(({ agent, seenMs }) => `${agent}, ${seen(seenMs)}`).join('; ');
}

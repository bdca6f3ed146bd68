import { sameModel } from '../agent/backends/same-model.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { holdersOf, modelsFor, wantedModelOf } from '../bridge/wanted-model.js';
import {
  isPresent,
  isStandby,
  MAX_PRESENCE_AHEAD_MS,
  type Presence,
  QUEUED_PHASE,
} from '../protocol/presence.js';
import type { TaskJson } from '../protocol/task.js';

/** A waker says so again within a quarter of an hour, so an older word is of one that died. Milliseconds. */
const WAKING_SHOWN_MS = 20 * 60_000;

/**
 * The state of an agent that a task waits for. `there`: it is about to take the task. `busy`: it has as many
 * tasks as it takes at once. `no-model-server`: it is there, and reaches none. `away`: it is not there.
 */
export type WaitedState = 'there' | 'busy' | 'no-model-server' | 'away';

/** Whom a pending task waits for. Times are ISO 8601. */
export interface WhoIsWaited {
  /** The agents that could answer it: those that are there, else all that are known. */
  readonly agents: readonly {
    readonly name: string;
    readonly state: WaitedState;
    /** Null for one that never said that it was there. */
    readonly seen_at: string | null;
  }[];
  /** Who is waking them now; null where nobody is, or one of them is there. */
  readonly waking_by: string | null;
  /** The standby that steps in first, and when; null where there is none for this task. */
  readonly standby: { readonly name: string; readonly at: string } | null;
}

/**
 * Whom a task waits for that was asked at `askedAtMs`, all by the server's clock. `task` is null for what is
 * none.
 */
export function whoIsWaited(
  { task, askedAtMs }: { readonly task: TaskJson | null; readonly askedAtMs: number },
  who: WhoWorks,
  nowMs: number,
): WhoIsWaited {
  const wanted = task === null ? null : wantedModelOf(task);
  const having = wanted === null ? [] : holdersOf(wanted, who.models, sameModel);
  const could = ({ agent, backends, cloud = false }: Presence) => {
    if (task?.local_only === true && cloud) return false;
    const { backend } = task ?? {};
    if (backend !== undefined && backends.length > 0 && !backends.includes(backend)) return false;
    const models = who.models.get(agent)?.models;
    return wanted === null || models === undefined || modelsFor(wanted, models, sameModel).length > 0;
  };
  const seen = new Map(who.agents.map((one) => [one.agent, one]));
  // The agents that list the model; where none does, all, because some do not say what they have.
  const names = having.length > 0 ? having : who.agents.map(({ agent }) => agent);
  const agents = names
    .filter((name) => {
      const one = seen.get(name);
      return one === undefined || (could(one) && !isStandby(one));
    })
    .map((name) => ({
      name,
      state: stateOf(seen.get(name), who, nowMs),
      seen_at: seen.get(name)?.seen_at ?? null,
    }));
  const here = agents.filter(({ state }) => state !== 'away');
  const able = agents.some(({ state }) => state === 'there' || state === 'busy');
  const standbys = who.agents
    .filter((one) => isStandby(one) && isPresent(one, nowMs) && could(one))
    .sort((a, b) => (a.after_s ?? 0) - (b.after_s ?? 0));
  const [first] = standbys;
  return {
    agents: here.length > 0 ? here : agents,
    waking_by: able ? null : (wakersNow(who, nowMs)[0]?.agent ?? null),
    standby:
      first === undefined
        ? null
        : { name: first.agent, at: new Date(askedAtMs + (first.after_s ?? 0) * 1000).toISOString() },
  };
}

/** Those that are waking agents now. One from the future would be shown for too long. */
export function wakersNow({ wakers = [] }: WhoWorks, nowMs: number): Presence[] {
  return wakers.filter(({ seen_at, work = [] }) => {
    const ageMs = nowMs - Date.parse(seen_at);
    const isOfNow = ageMs <= WAKING_SHOWN_MS && -ageMs <= MAX_PRESENCE_AHEAD_MS;
    return isOfNow && work.some(({ phase }) => phase === 'waking');
  });
}

function stateOf(presence: Presence | undefined, who: WhoWorks, nowMs: number): WaitedState {
  if (presence === undefined) return 'away';
  const { agent, backends, parallel, work = [] } = presence;
  const running = [...who.running.values()].filter((one) => one.agent === agent).length;
  if (!isPresent(presence, nowMs)) return running > 0 ? 'busy' : 'away';
  if (running >= parallel || work.some(({ phase }) => phase === QUEUED_PHASE)) return 'busy';
  return backends.length === 0 && work.length === 0 ? 'no-model-server' : 'there';
}

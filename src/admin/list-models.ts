import { attendanceOf, attendanceProblem } from '../bridge/attendance.js';
import type { BridgeAccess } from '../bridge/connection.js';
import type { WhoWorks } from '../bridge/side-refs.js';
import { openToRead } from '../log/catch-up-log.js';
import { isPresent, type Presence } from '../protocol/presence.js';

/** A model of a bridge and the agents that have it; the JSON form is a contract. Times are ISO 8601. */
export interface ModelRow {
  /** As its model server spells it. */
  readonly model: string;
  /** The kind of model server; null where the agent does not say it. */
  readonly backend: string | null;
  /** What it is known to be able to do: `chat`, `embed`, `tools`, `vision`; others may come. */
  readonly can: readonly string[];
  /** By name. */
  readonly agents: readonly ModelAgent[];
}

/** An agent that has a model. */
export interface ModelAgent {
  readonly name: string;
  /** As in `status`; `unknown` for one that never said that it was there. */
  readonly state: 'running' | 'stopped' | 'gone' | 'unknown';
  /** Whether it has the model in memory; null where it is not there, or does not say. */
  readonly loaded: boolean | null;
  readonly seen_at: string | null;
}

/** The models of a bridge by name; where there are none, why, and what to do about it. */
export interface ModelList {
  readonly rows: readonly ModelRow[];
  readonly nowMs: number;
  readonly problem: { readonly text: string; readonly remedy: string } | null;
}

/** Lists the models that the agents of a bridge have, also those of agents that are away. */
export async function listModels(access: BridgeAccess): Promise<ModelList> {
  const view = await openToRead(access, 'tip');
  try {
    await view.refresh({ sideRefs: true });
    const { serverNow, claimLeaseMs } = view.terms;
    return modelList(await view.whoWorks(), { nowMs: serverNow(), takesClaims: claimLeaseMs !== null });
  } finally {
    await view.close();
  }
}

/** The same for what was read of the agents already. */
export function modelList(
  who: WhoWorks,
  bridge: { readonly nowMs: number; readonly takesClaims: boolean },
): ModelList {
  const rows = new Map<string, ModelRow>();
  const add = (model: string, backend: string | null, can: readonly string[], agent: ModelAgent) => {
    const key = JSON.stringify([model, backend]);
    const row = rows.get(key) ?? { model, backend, can: [], agents: [] };
    const all = [...new Set([...row.can, ...can])].sort();
    rows.set(key, { ...row, can: all, agents: [...row.agents, agent] });
  };
  const presences = new Map(who.agents.map((one) => [one.agent, one]));
  for (const [name, { models }] of [...who.models].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const presence = presences.get(name);
    for (const { name: model, backend, can } of models)
      add(
        model,
        backend,
        can,
        agentOf(name, presence, bridge.nowMs, presence?.loaded?.includes(model) ?? false),
      );
  }
  // An agent that has no ref for its models names at least some of them in its presence.
  for (const presence of who.agents.filter(({ agent }) => !who.models.has(agent))) {
    const { backends, models } = presence;
    for (const model of models)
      add(model, backends.length === 1 ? (backends[0] ?? null) : null, [], {
        ...agentOf(presence.agent, presence, bridge.nowMs, false),
        loaded: null,
      });
  }
  const sorted = [...rows.values()].sort((a, b) => (a.model < b.model ? -1 : 1));
  return { rows: sorted, nowMs: bridge.nowMs, problem: sorted.length > 0 ? null : whyNone(who, bridge) };
}

function agentOf(name: string, presence: Presence | undefined, nowMs: number, isLoaded: boolean): ModelAgent {
  if (presence === undefined) return { name, state: 'unknown', loaded: null, seen_at: null };
  const isThere = isPresent(presence, nowMs);
  const state = isThere ? 'running' : presence.state === 'stopped' ? 'stopped' : 'gone';
  return { name, state, loaded: isThere ? isLoaded : null, seen_at: presence.seen_at };
}

function whyNone(
  who: WhoWorks,
  bridge: { readonly nowMs: number; readonly takesClaims: boolean },
): { readonly text: string; readonly remedy: string } {
  if (!bridge.takesClaims) {
    return {
      text: 'agents do not say here what they have: the bridge takes no claims',
      remedy: 'on the server: llm-bridge init, and git config bridge.claimLease 60s',
    };
  }
  const known = attendanceProblem(attendanceOf(who, bridge), bridge.nowMs);
  return known ?? { text: 'no agent has a model', remedy: 'llm-bridge doctor on the PC says how to get one' };
}

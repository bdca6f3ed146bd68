import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import { listRefs } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { type Claim, isLeaseOver, MAX_CLAIM_BYTES, readClaim } from '../protocol/claim.js';
import { type AgentModels, MAX_MODELS_BYTES, readModels } from '../protocol/models.js';
import { isWaker, MAX_PRESENCE_BYTES, type Presence, readPresence } from '../protocol/presence.js';

/** The refs beside main of a bridge. A value is null where this version cannot read the blob. */
export interface SideRefs {
  /** By task. */
  readonly claims: ReadonlyMap<string, { readonly id: string; readonly claim: Claim | null }>;
  /** By agent. */
  readonly agents: ReadonlyMap<string, { readonly id: string; readonly presence: Presence | null }>;
  /** The models of each agent, by agent. */
  readonly models: ReadonlyMap<string, { readonly id: string; readonly models: AgentModels | null }>;
}

/**
 * Reads them: under `refs/bridge/` on the server, under REMOTE_PREFIX in a clone that fetched them. `known`:
 * models as they were read last; they are long and seldom change.
 */
export async function readSideRefs(
  repo: Repository,
  reader: ObjectReader,
  prefix = 'refs/bridge/',
  known?: SideRefs['models'],
): Promise<SideRefs> {
  const models = new Map<string, { id: string; models: AgentModels | null }>();
  const claims = new Map<string, { id: string; claim: Claim | null }>();
  const agents = new Map<string, { id: string; presence: Presence | null }>();
  for (const { ref, id } of await listRefs(repo, prefix)) {
    const [kind = '', name = '', ...more] = ref.slice(prefix.length).split('/');
    if (name === '' || more.length > 0) continue;
    if (kind === 'claims') {
      const blob = await reader.read(id, MAX_CLAIM_BYTES);
      const read = readClaim(blob?.content ?? Buffer.alloc(0));
      claims.set(name, { id, claim: read.ok ? read.value : null });
    } else if (kind === 'agents') {
      const blob = await reader.read(id, MAX_PRESENCE_BYTES);
      const read = readPresence(blob?.content ?? Buffer.alloc(0));
      agents.set(name, { id, presence: read.ok ? read.value : null });
    } else if (kind === 'models') {
      const before = known?.get(name);
      const isKnown = before?.id === id && before.models !== null;
      models.set(name, isKnown ? before : { id, models: await modelsIn(reader, id) });
    }
  }
  return { claims, agents, models };
}

async function modelsIn(reader: ObjectReader, id: string): Promise<AgentModels | null> {
  const blob = await reader.read(id, MAX_MODELS_BYTES);
  const read = readModels(blob?.content ?? Buffer.alloc(0));
  return read.ok ? read.value : null;
}

/** What an agent does for a task, as far as it said. */
export interface TaskWork {
  readonly agent: string;
  /** Null before one was chosen, and where the agent does not say. */
  readonly model: string | null;
  /** When the agent began, milliseconds since the epoch; null where it does not say. */
  readonly sinceMs: number | null;
  /** `waiting` for the model server, `loading`, `generating`, …; null where the agent does not say. */
  readonly phase: string | null;
}

/** The agents that are there, and which of them works on which task. */
export interface WhoWorks {
  /** The tasks that are being answered now, by id. An expired claim does not count. */
  readonly running: ReadonlyMap<string, TaskWork>;
  /** The last presence of each agent, by name. */
  readonly agents: readonly Presence[];
  /** The last presences of the wakers, which wake agents and are none. Absent where nobody has read them. */
  readonly wakers?: readonly Presence[];
  /**
   * The models of each agent, by name, whether it is there or not; an agent that does not name them is
   * missing here.
   */
  readonly models: ReadonlyMap<string, AgentModels>;
}

/** Reads the refs beside main under `prefix`, as of `nowMs` by the server's clock. */
export async function whoWorks(repo: Repository, prefix: string, nowMs: number): Promise<WhoWorks> {
  const reader = openObjectReader(repo);
  try {
    const { claims, agents, models } = await readSideRefs(repo, reader, prefix);
    const running = new Map<string, TaskWork>();
    for (const [task, { claim }] of claims) {
      if (claim === null || isLeaseOver(claim, nowMs)) continue;
      running.set(task, workOf(task, claim, agents.get(claim.agent)?.presence ?? null));
    }
    const there = [...agents.values()].flatMap(({ presence }) => (presence === null ? [] : [presence]));
    return {
      running,
      agents: there.filter((one) => !isWaker(one)).sort((a, b) => (a.agent < b.agent ? -1 : 1)),
      wakers: there.filter(isWaker),
      models: new Map(
        [...models].flatMap(([agent, { models: said }]) => (said === null ? [] : [[agent, said] as const])),
      ),
    };
  } finally {
    reader.close();
  }
}

/** The claim says whose the task is; the presence of that very process may say more. */
function workOf(task: string, claim: Claim, presence: Presence | null): TaskWork {
  const said =
    presence?.session === claim.session ? presence.work?.find((one) => one.task === task) : undefined;
  return {
    agent: claim.agent,
    model: said?.model ?? null,
    sinceMs: said === undefined ? null : Date.parse(said.since),
    phase: said?.phase ?? null,
  };
}

import type { SideRefs } from '../../bridge/side-refs.js';
import { holdersOf, modelsFor, type WantedModel } from '../../bridge/wanted-model.js';
import { type AgentModels, type OfferedModel, tellableModels } from '../../protocol/models.js';
import type { Presence } from '../../protocol/presence.js';
import { excerpt } from '../../protocol/text.js';
import { type Offer, offeredKey } from '../backends/model-offer.js';
import { sameModel } from '../backends/same-model.js';
import { agentKey } from './others.js';

/** What is known of who has which model. */
export interface ModelKnowledge {
  /** What each agent says that it has, this one included, as the server was last known to have it. */
  readonly models: SideRefs['models'];
  /** What the model servers of this agent offer; null before they were asked. */
  readonly offer: Offer | null;
  /**
   * The models in memory that its last presence named. The others choose by these, so this agent does, too.
   */
  readonly saidLoaded: readonly string[];
}

/** Before the first fetch. */
export const NO_MODELS: ModelKnowledge = { models: new Map(), offer: null, saidLoaded: [] };

/**
 * How well an agent is placed for a model, the best first: it has it in memory; it lists it; it does not say
 * what it has; it says that it has not got it.
 */
const LEVELS = { loaded: 0, listed: 1, unknown: 2, lacking: 3 } as const;

/** How this agent and the others that are there, by `agentKey`, are placed for a task. */
export interface Placement {
  readonly own: number;
  readonly others: ReadonlyMap<string, number>;
}

/**
 * The models of this agent: what its model servers offer, and for one that does not answer now, what the
 * agent published before: a task for its model is to wait for it. Null: nothing is known.
 */
export function ownModels({ models, offer }: ModelKnowledge, self: string): readonly OfferedModel[] | null {
  if (offer === null) return null;
  const before = models.get(self)?.models?.models ?? null;
  if (before === null && offer.backends.length === 0) return null;
  const kept = (before ?? []).filter(({ backend }) => offer.silent.includes(backend));
  return [...offer.models, ...kept];
}

/** Any time will do: the length of the list does not depend on it. */
const ANY_TIME = new Date(0).toISOString();

/** The list of our models to publish; null where nothing is known, or the server has just that list. */
export function modelsToSay(knowledge: ModelKnowledge, self: string): readonly OfferedModel[] | null {
  const own = ownModels(knowledge, self);
  if (own === null) return null;
  const said = tellableModels({ agent: self, at: ANY_TIME, models: [...own] });
  const known = knowledge.models.get(self)?.models?.models;
  return known !== undefined && offeredKey(known) === offeredKey(said) ? null : said;
}

/** How this agent and those that are there are placed for what a task wants. */
export function placementFor(
  wanted: WantedModel,
  knowledge: ModelKnowledge,
  { self, present }: { readonly self: string; readonly present: readonly Presence[] },
): Placement {
  const own = ownModels(knowledge, self);
  const ofOther = (one: Presence) =>
    levelOf(wanted, knowledge.models.get(one.agent)?.models?.models ?? null, one.loaded ?? []);
  return {
    own: levelOf(wanted, own, knowledge.saidLoaded),
    others: new Map(present.map((one) => [agentKey(one), ofOther(one)])),
  };
}

function levelOf(
  wanted: WantedModel,
  models: readonly OfferedModel[] | null,
  loaded: readonly string[],
): number {
  if (models === null) return LEVELS.unknown;
  const found = modelsFor(wanted, models, sameModel);
  if (found.length === 0) return LEVELS.lacking;
  return found.some(({ name }) => loaded.includes(name)) ? LEVELS.loaded : LEVELS.listed;
}

/** What leftTo has found, because ten thousand tasks may want one model. */
const MAX_FOUND = 1_000;
const FOUND = new WeakMap<ModelKnowledge, Map<string, readonly string[]>>();

/**
 * The other agents that a task is left to, whether they are there or not: they list its model, and this one
 * says that it has not got it. Empty: this agent may take it as well.
 */
export function leftTo(wanted: WantedModel, knowledge: ModelKnowledge, self: string): readonly string[] {
  const found = FOUND.get(knowledge) ?? new Map<string, readonly string[]>();
  FOUND.set(knowledge, found);
  const key = `${self}\n${wanted.backend ?? ''}\n${wanted.model}`;
  const agents = found.get(key) ?? findLeftTo(wanted, knowledge, self);
  if (found.size < MAX_FOUND) found.set(key, agents);
  return agents;
}

/** Whether other agents say what they have, and this one knows what it has: tasks may be left to them. */
export function knowsOthers(knowledge: ModelKnowledge, self: string): boolean {
  return ownModels(knowledge, self) !== null && othersModels(knowledge, self).size > 0;
}

function findLeftTo(wanted: WantedModel, knowledge: ModelKnowledge, self: string): string[] {
  const own = ownModels(knowledge, self);
  if (own === null || modelsFor(wanted, own, sameModel).length > 0) return [];
  return holdersOf(wanted, othersModels(knowledge, self), sameModel);
}

/** How much of what the others have is said in an answer. Characters. */
const MAX_ELSEWHERE_CHARS = 400;

/**
 * What the other agents have, and where: `llama3.2:latest on home-pc, office; …`; null where it is
 * nothing.
 */
export function elsewhere(knowledge: ModelKnowledge, self: string): string | null {
  const where = new Map<string, string[]>();
  for (const [agent, { models }] of othersModels(knowledge, self))
    for (const { name } of models) where.set(name, [...(where.get(name) ?? []), agent]);
  if (where.size === 0) return null;
  const said = [...where].map(([name, agents]) => `${name} on ${[...new Set(agents)].join(', ')}`);
  return excerpt(said.join('; '), MAX_ELSEWHERE_CHARS);
}

function othersModels({ models }: ModelKnowledge, self: string): ReadonlyMap<string, AgentModels> {
  return new Map(
    [...models].flatMap(([agent, { models: said }]) =>
      agent === self || said === null ? [] : [[agent, said] as const],
    ),
  );
}

import type { AgentModels, OfferedModel } from '../protocol/models.js';
import { modelOf, type TaskJson } from '../protocol/task.js';

/** The model that a task names, and the kind of model server where it names one. */
export interface WantedModel {
  readonly model: string;
  readonly backend?: string | undefined;
}

/**
 * Whether two spellings are one model for a model server of this kind: what was asked for, and what it
 * lists. Only agents know how each kind spells (`agent/backends/same-model.ts`), so it is handed in.
 */
export type SameModel = (backend: string, asked: string, listed: string) => boolean;

/** What a task wants; null where it names no model. */
export function wantedModelOf(task: Pick<TaskJson, 'model' | 'request' | 'backend'>): WantedModel | null {
  const { backend } = task;
  const model = modelOf(task);
  return model === undefined ? null : { model, ...(backend === undefined ? {} : { backend }) };
}

/** Those of these models that a task wants. */
export function modelsFor(
  wanted: WantedModel,
  models: readonly OfferedModel[],
  sameModel: SameModel,
): OfferedModel[] {
  return models.filter(
    ({ name, backend }) => (wanted.backend ?? backend) === backend && sameModel(backend, wanted.model, name),
  );
}

/** The agents that list a model which a task wants, whether they are there or not. */
export function holdersOf(
  wanted: WantedModel,
  agents: ReadonlyMap<string, AgentModels>,
  sameModel: SameModel,
): string[] {
  return [...agents].flatMap(([agent, { models }]) =>
    modelsFor(wanted, models, sameModel).length > 0 ? [agent] : [],
  );
}
